# What all environments share, applied before any of them: the registry, so that the
# first image is there before the first service. An image is built once and promoted
# from environment to environment by its digest.

module "ecr" {
  source = "../../modules/ecr"

  name = var.name_prefix
}
