# Who may change this account from outside of it: short-lived roles for runs and jobs
# that can prove who they are. There are no keys to lose.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  regions   = sort(setunion(var.regions, ["us-east-1"]))

  hcp_host    = "app.terraform.io"
  github_host = "token.actions.githubusercontent.com"

  workspaces = var.hcp_terraform == null ? {} : var.hcp_terraform.workspaces
  deployers  = var.github == null ? {} : var.github.deploy_environments

  hcp_provider_arn    = try(coalesce(var.oidc_providers.hcp_terraform, one(aws_iam_openid_connect_provider.hcp_terraform[*].arn)), null)
  github_provider_arn = try(coalesce(var.oidc_providers.github, one(aws_iam_openid_connect_provider.github[*].arn)), null)
}

# AWS checks both hosts' certificates against its own list of authorities, so that
# there are no thumbprints to keep up to date.
resource "aws_iam_openid_connect_provider" "hcp_terraform" {
  count = var.hcp_terraform != null && var.oidc_providers.hcp_terraform == null ? 1 : 0

  url            = "https://${local.hcp_host}"
  client_id_list = ["aws.workload.identity"]
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.github != null && var.oidc_providers.github == null ? 1 : 0

  url            = "https://${local.github_host}"
  client_id_list = ["sts.amazonaws.com"]
}
