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
  value       = "https://${aws_cloudfront_distribution.this.domain_name}"
}

output "response_headers_policy_id" {
  description = "Id of the policy that adds the security headers to page and API."
  value       = aws_cloudfront_response_headers_policy.this["security"].id
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
  description = "Id of the VPC origin in front of the load balancer."
  value       = aws_cloudfront_vpc_origin.api.id
}
