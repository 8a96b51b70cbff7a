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

output "postgres_url_secret_arn" {
  description = "ARN of the secret with the database's address and password, postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require; null without a database. The password itself is in no output and in no state."
  value       = one(values(aws_secretsmanager_secret.postgres)[*].arn)

  # Who starts with it connects at once.
  depends_on = [aws_secretsmanager_secret_version.postgres, aws_vpc_security_group_ingress_rule.postgres]
}

output "postgres_identifier" {
  description = "Identifier of the database's instance, as metrics name it; null without a database."
  value       = one(values(aws_db_instance.postgres)[*].identifier)
}

output "postgres_security_group_id" {
  description = "Id of the database's security group; null without a database."
  value       = one(values(aws_security_group.postgres)[*].id)
}

output "valkey_url" {
  description = "Address of the cache, rediss://USER@HOST:PORT, without a password: who connects signs in with a token of IAM's. Null without a cache."
  value       = one([for key, group in aws_elasticache_replication_group.valkey : "rediss://${aws_elasticache_user.service[key].user_name}@${group.primary_endpoint_address}:6379"])

  depends_on = [aws_vpc_security_group_ingress_rule.valkey]
}

output "valkey_policy_json" {
  description = "IAM policy document, JSON, of who may sign in to the cache; null without a cache. For the service's role."
  value       = one(values(data.aws_iam_policy_document.valkey)[*].json)
}

output "valkey_replication_group_id" {
  description = "Id of the cache's replication group, as metrics name it; null without a cache."
  value       = one(values(aws_elasticache_replication_group.valkey)[*].replication_group_id)
}

output "valkey_security_group_id" {
  description = "Id of the cache's security group; null without a cache."
  value       = one(values(aws_security_group.valkey)[*].id)
}
