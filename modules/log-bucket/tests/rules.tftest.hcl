# The module's rules, on a mocked provider.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::test-logs-123456789012" }
  }
}

variables {
  name    = "test-logs"
  writers = { Distribution = { service = "delivery.logs.amazonaws.com", source_arns = ["arn:aws:logs:us-east-1:123456789012:delivery-source:test"] } }
}

run "the_bucket_is_private_encrypted_and_emptied" {
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "nothing makes the bucket public"
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "the bucket is encrypted with the only key that load balancers write with"
  }
  assert {
    condition     = one(one(aws_s3_bucket_lifecycle_configuration.this.rule).expiration).days == 90
    error_message = "logs go after 90 days by default"
  }
  assert {
    condition     = aws_s3_bucket.this.bucket == "test-logs-123456789012" && !aws_s3_bucket.this.force_destroy
    error_message = "the bucket has the account in its name and is protected"
  }
}

run "a_writer_writes_this_accounts_logs_for_its_source_only" {
  assert {
    condition = alltrue([for s in data.aws_iam_policy_document.this.statement : s.effect == "Deny" || (
      toset(s.actions) == toset(["s3:PutObject"]) &&
      toset(s.resources) == toset(["arn:aws:s3:::test-logs-123456789012/AWSLogs/123456789012/*"]) &&
      jsonencode([for c in s.condition : c.values]) == jsonencode([["arn:aws:logs:us-east-1:123456789012:delivery-source:test"]])
    )])
    error_message = "nobody reads, and nobody else's logs are written"
  }
}

run "name_too_long" {
  command = plan
  variables {
    name = "a-name-that-has-more-than-the-fifty-characters-allowed"
  }
  expect_failures = [var.name]
}

run "nobody_writes" {
  command = plan
  variables {
    writers = {}
  }
  expect_failures = [var.writers]
}

run "a_writer_that_is_not_of_aws" {
  command = plan
  variables {
    writers = { Everybody = { service = "*" } }
  }
  expect_failures = [var.writers]
}

run "logs_for_ever" {
  command = plan
  variables {
    retention_days = 0
  }
  expect_failures = [var.retention_days]
}
