output "region" {
  description = "Region of the registry."
  value       = var.region
}

output "repository_name" {
  description = "Name of the image repository."
  value       = module.ecr.repository_name
}

output "repository_url" {
  description = "Where images are pushed to and pulled from, without tag or digest."
  value       = module.ecr.repository_url
}

output "hcp_role_arns" {
  description = "ARNs of HCP Terraform's roles, by environment: plan and apply."
  value       = module.ci_identity.hcp_role_arns
}

output "permissions_boundary_arns" {
  description = "ARNs for each environment's permissions_boundary_arn."
  value       = module.ci_identity.permissions_boundary_arns
}

output "github_build_role_arn" {
  description = "ARN of the role that GitHub's build jobs push images with; null without GitHub."
  value       = module.ci_identity.github_build_role_arn
}

output "github_deploy_role_arns" {
  description = "ARNs of the roles that GitHub's jobs publish the page with, by environment."
  value       = module.ci_identity.github_deploy_role_arns
}
