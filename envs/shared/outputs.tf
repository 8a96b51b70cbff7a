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
