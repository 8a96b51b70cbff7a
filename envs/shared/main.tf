# What all environments share, applied before any of them: the registry, so that the
# first image is there before the first service. An image is built once and promoted
# from environment to environment by its digest.

module "ecr" {
  source = "../../modules/ecr"

  name = var.name_prefix
}

# Who may apply the environments from outside, and push images. Applied by an
# administrator: these roles can't change themselves.
module "ci_identity" {
  source = "../../modules/ci-identity"

  name_prefix = var.name_prefix
  regions     = [var.region]

  hcp_terraform = var.hcp_organization == null ? null : {
    organization = var.hcp_organization
    workspaces   = { for environment in var.environments : environment => "${var.name_prefix}-${environment}" }
  }

  github = var.github_repository == null ? null : {
    repository          = var.github_repository
    deploy_environments = { for environment in var.environments : environment => environment }
  }
  repository_arn = module.ecr.repository_arn
}
