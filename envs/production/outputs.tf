output "region" {
  description = "Region of the environment."
  value       = var.region
}

output "url" {
  description = "Address of the page, https."
  value       = module.frontend_cdn.url
}

output "frontend_bucket" {
  description = "Name of the bucket that the built page is uploaded to."
  value       = module.frontend_cdn.bucket_name
}

output "distribution_id" {
  description = "Id of the CloudFront distribution."
  value       = module.frontend_cdn.distribution_id
}

output "distribution_domain_name" {
  description = "Host name of the distribution, without a scheme."
  value       = module.frontend_cdn.distribution_domain_name
}

output "cluster_name" {
  description = "Name of the ECS cluster."
  value       = module.ecs.cluster_name
}

output "service_name" {
  description = "Name of the ECS service."
  value       = module.ecs.service_name
}

output "target_group_arn" {
  description = "ARN of the target group that tasks register with."
  value       = module.ecs.target_group_arn
}

output "log_group_name" {
  description = "Name of the log group of the tasks."
  value       = module.ecs.log_group_name
}

output "token_secret_arn" {
  description = "ARN of the secret that holds the token of the notebooks' door. The token itself is in no output and in no state."
  value       = module.token.secret_arn
}

output "alarm_topic_arn" {
  description = "ARN of the SNS topic that alarms go to."
  value       = module.observability.topic_arn
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard."
  value       = module.observability.dashboard_name
}

output "postgres_url_secret_arn" {
  description = "ARN of the secret with the database's address and password; null where notebooks are in the bucket."
  value       = module.data.postgres_url_secret_arn
}
