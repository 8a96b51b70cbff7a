# The module's rules, on a mocked provider.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { id = "test-notebooks-123456789012", arn = "arn:aws:s3:::test-notebooks-123456789012" }
  }
}

variables {
  name_prefix = "test"
}

run "the_bucket_is_private_versioned_and_encrypted" {
  command = plan

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.notebooks.block_public_acls,
      aws_s3_bucket_public_access_block.notebooks.block_public_policy,
      aws_s3_bucket_public_access_block.notebooks.ignore_public_acls,
      aws_s3_bucket_public_access_block.notebooks.restrict_public_buckets,
    ])
    error_message = "nothing makes the bucket public"
  }
  assert {
    condition     = aws_s3_bucket_ownership_controls.notebooks.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "objects are the account's, and have no access lists"
  }
  assert {
    condition     = aws_s3_bucket_versioning.notebooks.versioning_configuration[0].status == "Enabled"
    error_message = "overwritten notebooks can be brought back"
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.notebooks.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "without a key of one's own, S3's encrypts"
  }
  assert {
    condition     = aws_s3_bucket.notebooks.bucket == "test-notebooks-123456789012" && !aws_s3_bucket.notebooks.force_destroy
    error_message = "the bucket has the account in its name and is protected"
  }
  assert {
    condition     = one(aws_s3_bucket_lifecycle_configuration.notebooks.rule).noncurrent_version_expiration[0].noncurrent_days == 30 && one(aws_s3_bucket_lifecycle_configuration.notebooks.rule).abort_incomplete_multipart_upload[0].days_after_initiation == 1
    error_message = "old versions and broken uploads go by themselves"
  }
}

run "only_tls" {
  assert {
    condition = alltrue([for s in data.aws_iam_policy_document.bucket.statement :
      s.effect == "Deny" && one(s.condition).variable == "aws:SecureTransport" && one(s.condition).values == tolist(["false"]) &&
      s.resources == toset(["arn:aws:s3:::test-notebooks-123456789012", "arn:aws:s3:::test-notebooks-123456789012/*"])
    ])
    error_message = "the bucket's policy lets nobody in, and keeps out what isn't encrypted on its way"
  }
}

run "the_store_may_do_what_it_does_on_its_prefix" {
  assert {
    condition     = output.store_url == "s3://test-notebooks-123456789012/notebooks"
    error_message = "the address has bucket and prefix"
  }
  assert {
    condition = jsonencode({ for s in data.aws_iam_policy_document.store.statement : s.sid => { actions = sort(s.actions), resources = s.resources } }) == jsonencode({
      KeepNotebooks = { actions = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], resources = ["arn:aws:s3:::test-notebooks-123456789012/notebooks/*"] }
      ListNotebooks = { actions = ["s3:ListBucket"], resources = ["arn:aws:s3:::test-notebooks-123456789012"] }
    })
    error_message = "objects below the prefix, the listing of the bucket, and nothing else"
  }
  assert {
    condition     = jsonencode([for s in data.aws_iam_policy_document.store.statement : [for c in s.condition : [c.test, c.variable, c.values]] if s.sid == "ListNotebooks"]) == jsonencode([[["StringEqualsIfExists", "s3:prefix", ["notebooks/"]]]])
    error_message = "who lists, lists the prefix"
  }
}

run "a_key_of_ones_own" {
  variables {
    bucket      = { prefix = "team/notebooks", noncurrent_version_days = 7, force_destroy = true }
    kms_key_arn = "arn:aws:kms:eu-north-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }

  assert {
    condition = alltrue([for rule in aws_s3_bucket_server_side_encryption_configuration.notebooks.rule :
      rule.bucket_key_enabled && one(rule.apply_server_side_encryption_by_default).sse_algorithm == "aws:kms" &&
      one(rule.apply_server_side_encryption_by_default).kms_master_key_id == var.kms_key_arn
    ])
    error_message = "the key is used, by way of a bucket key"
  }
  assert {
    condition = jsonencode([for s in data.aws_iam_policy_document.store.statement : [sort(s.actions), s.resources, [for c in s.condition : c.values]] if s.sid == "UseTheBucketsKey"]) == jsonencode([[
      ["kms:Decrypt", "kms:GenerateDataKey"], [var.kms_key_arn], [["arn:aws:s3:::test-notebooks-123456789012"]],
    ]])
    error_message = "the store may use this key for this bucket"
  }
  assert {
    condition     = output.store_url == "s3://test-notebooks-123456789012/team/notebooks" && aws_s3_bucket.notebooks.force_destroy && one(aws_s3_bucket_lifecycle_configuration.notebooks.rule).noncurrent_version_expiration[0].noncurrent_days == 7
    error_message = "the bucket's inputs are taken"
  }
}

run "name_with_capitals" {
  command = plan
  variables {
    name_prefix = "Test"
  }
  expect_failures = [var.name_prefix]
}

run "prefix_with_a_slash_at_its_end" {
  command = plan
  variables {
    bucket = { prefix = "notebooks/" }
  }
  expect_failures = [var.bucket]
}

run "prefix_that_permits_everything" {
  command = plan
  variables {
    bucket = { prefix = "*" }
  }
  expect_failures = [var.bucket]
}

run "prefix_that_climbs" {
  command = plan
  variables {
    bucket = { prefix = "a/../b" }
  }
  expect_failures = [var.bucket]
}

run "no_prefix" {
  command = plan
  variables {
    bucket = { prefix = "" }
  }
  expect_failures = [var.bucket]
}

run "half_a_day" {
  command = plan
  variables {
    bucket = { noncurrent_version_days = 0.5 }
  }
  expect_failures = [var.bucket]
}

run "a_keys_alias" {
  command = plan
  variables {
    kms_key_arn = "arn:aws:kms:eu-north-1:123456789012:alias/notebooks"
  }
  expect_failures = [var.kms_key_arn]
}
