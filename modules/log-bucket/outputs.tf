output "bucket_name" {
  description = "Name of the bucket. Usable once its policy lets the writers in."
  value       = aws_s3_bucket.this.id

  # A service tries to write as soon as it is told to, and refuses the bucket if it
  # can't.
  depends_on = [aws_s3_bucket_policy.this, aws_s3_bucket_ownership_controls.this, aws_s3_bucket_server_side_encryption_configuration.this]
}

output "bucket_arn" {
  description = "ARN of the bucket. Usable once its policy lets the writers in."
  value       = aws_s3_bucket.this.arn

  depends_on = [aws_s3_bucket_policy.this, aws_s3_bucket_ownership_controls.this, aws_s3_bucket_server_side_encryption_configuration.this]
}
