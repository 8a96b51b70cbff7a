output "bucket_name" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.notebooks.id
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.notebooks.arn
}

output "store_url" {
  description = "The service's STORE_URL: s3://BUCKET/PREFIX."
  value       = "s3://${aws_s3_bucket.notebooks.id}/${var.bucket.prefix}"
}

output "store_policy_json" {
  description = "IAM policy document, JSON, of what the service does with `store_url` and no more. For its role."
  value       = data.aws_iam_policy_document.store.json
}
