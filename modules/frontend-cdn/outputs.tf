output "bucket_name" {
  description = "Name of the bucket that the built page is uploaded to."
  value       = aws_s3_bucket.frontend.id

  # Who uploads must not be ahead of versioning: what is written before has no
  # version.
  depends_on = [aws_s3_bucket_versioning.frontend, aws_s3_bucket_server_side_encryption_configuration.frontend]
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.frontend.arn
}

output "distribution_id" {
  description = "Id of the distribution, as invalidations name it."
  value       = aws_cloudfront_distribution.this.id
}

output "distribution_arn" {
  description = "ARN of the distribution."
  value       = aws_cloudfront_distribution.this.arn
}

output "distribution_domain_name" {
  description = "Host name of the distribution, without a scheme."
  value       = aws_cloudfront_distribution.this.domain_name
}

output "url" {
  description = "Address of the page, with its scheme and without a slash at its end: the origin that browsers send."
  value       = "https://${var.domain == null ? aws_cloudfront_distribution.this.domain_name : var.domain.name}"
}

output "response_headers_policy_id" {
  description = "Id of the policy that adds the page's security headers."
  value       = aws_cloudfront_response_headers_policy.this["security"].id
}

output "api_response_headers_policy_id" {
  description = "Id of the policy that adds the API's security headers."
  value       = aws_cloudfront_response_headers_policy.this["api"].id
}

output "sandbox_headers_policy_id" {
  description = "Id of the policy that adds the headers of the frame for HTML of cells."
  value       = aws_cloudfront_response_headers_policy.this["sandbox"].id
}

output "spa_function_name" {
  description = "Name of the function that serves the app's routes."
  value       = aws_cloudfront_function.spa.name
}

output "vpc_origin_id" {
  description = "Id of the VPC origin in front of an internal load balancer; null for a public one."
  value       = one(aws_cloudfront_vpc_origin.api[*].id)
}

output "hosted_zone_id" {
  description = "Id of CloudFront's Route 53 zone, for alias records of one's own."
  value       = aws_cloudfront_distribution.this.hosted_zone_id
}

output "web_acl_arn" {
  description = "ARN of the firewall; null without one."
  value       = one(aws_wafv2_web_acl.this[*].arn)
}

output "access_log_bucket_name" {
  description = "Name of the bucket of the access logs; null without them."
  value       = one(module.access_logs[*].bucket_name)
}
