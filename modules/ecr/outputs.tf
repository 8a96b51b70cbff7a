output "repository_name" {
  description = "Name of the repository."
  value       = aws_ecr_repository.this.name
}

output "repository_arn" {
  description = "ARN of the repository."
  value       = aws_ecr_repository.this.arn
}

output "repository_url" {
  description = "Where images are pushed to and pulled from, without a scheme, tag or digest: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME."
  value       = aws_ecr_repository.this.repository_url
}

output "registry_id" {
  description = "Account of the registry, twelve digits."
  value       = aws_ecr_repository.this.registry_id
}
