output "hcp_role_arns" {
  description = "ARNs of HCP Terraform's roles, by environment: `plan` and `apply`. For the workspace's variables TFC_AWS_PLAN_ROLE_ARN and TFC_AWS_APPLY_ROLE_ARN, beside TFC_AWS_PROVIDER_AUTH = true."
  value       = { for environment in keys(local.workspaces) : environment => { for phase in ["plan", "apply"] : phase => aws_iam_role.hcp["${environment}-${phase}"].arn } }
}

output "permissions_boundary_arns" {
  description = "ARNs of the policies that bound the roles which an apply makes, by environment. For the environment's variable permissions_boundary_arn: without it, HCP Terraform's apply role may make no role."
  value       = { for environment, policy in aws_iam_policy.boundary : environment => policy.arn }
}

output "github_build_role_arn" {
  description = "ARN of the role that GitHub's build jobs push images with; null without GitHub."
  value       = one([for key, role in aws_iam_role.github : role.arn if key == "build"])
}

output "github_deploy_role_arns" {
  description = "ARNs of the roles that GitHub's jobs publish the page with, by environment."
  value       = { for environment in keys(local.deployers) : environment => aws_iam_role.github["deploy-${environment}"].arn }
}
