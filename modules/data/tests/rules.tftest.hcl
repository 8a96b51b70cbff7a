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

# Given to every run, as Terraform 1.11 can't apply one without an ephemeral variable.
variables {
  name_prefix       = "test"
  postgres_password = "0123456789abcdefABCDEF"
}

run "nothing_but_the_bucket_without_being_asked" {
  command = plan

  assert {
    condition     = length(aws_db_instance.postgres) + length(aws_elasticache_replication_group.valkey) + length(aws_security_group.postgres) + length(aws_security_group.valkey) + length(aws_secretsmanager_secret.postgres) == 0
    error_message = "database and cache are options"
  }
  assert {
    condition     = output.postgres_url_secret_arn == null && output.valkey_url == null && output.valkey_policy_json == null
    error_message = "what isn't there has no address"
  }
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

run "a_database_that_can_be_relied_on" {
  variables {
    network  = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = { tasks = "sg-tasks" } }
    postgres = {}
  }

  assert {
    condition = alltrue([
      aws_db_instance.postgres["this"].multi_az,
      aws_db_instance.postgres["this"].storage_encrypted,
      aws_db_instance.postgres["this"].deletion_protection,
      !aws_db_instance.postgres["this"].skip_final_snapshot,
      !aws_db_instance.postgres["this"].delete_automated_backups,
      !aws_db_instance.postgres["this"].publicly_accessible,
      !aws_db_instance.postgres["this"].apply_immediately,
      aws_db_instance.postgres["this"].backup_retention_period == 14,
    ])
    error_message = "two zones, encrypted, protected, backed up, and closed, without being asked"
  }
  assert {
    condition     = aws_db_instance.postgres["this"].password == null && aws_db_instance.postgres["this"].password_wo_version == 1 && aws_secretsmanager_secret_version.postgres["this"].secret_string_wo_version == 1
    error_message = "instance and secret take the password by write-only arguments, and by one number"
  }
  assert {
    condition     = [for parameter in aws_db_parameter_group.postgres["this"].parameter : parameter.value if parameter.name == "rds.force_ssl"] == ["1"] && aws_db_parameter_group.postgres["this"].family == "postgres17"
    error_message = "nothing comes in the clear"
  }
  assert {
    condition     = aws_cloudwatch_log_group.postgres["this"].name == "/aws/rds/instance/test/postgresql" && aws_cloudwatch_log_group.postgres["this"].retention_in_days == 30
    error_message = "the log that RDS writes has an end"
  }
  assert {
    condition     = [for key, rule in aws_vpc_security_group_ingress_rule.postgres : [key, rule.referenced_security_group_id, rule.from_port, rule.to_port]] == [["tasks", "sg-tasks", 5432, 5432]]
    error_message = "the clients and nobody else"
  }
  assert {
    condition     = length(aws_elasticache_replication_group.valkey) == 0
    error_message = "the cache is an option of its own"
  }
}

run "a_cache_that_is_closed" {
  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = { tasks = "sg-tasks" } }
    valkey  = {}
  }

  assert {
    condition = alltrue([
      aws_elasticache_replication_group.valkey["this"].transit_encryption_enabled,
      aws_elasticache_replication_group.valkey["this"].transit_encryption_mode == "required",
      aws_elasticache_replication_group.valkey["this"].at_rest_encryption_enabled == "true",
      aws_elasticache_replication_group.valkey["this"].automatic_failover_enabled,
      aws_elasticache_replication_group.valkey["this"].multi_az_enabled,
      aws_elasticache_replication_group.valkey["this"].user_group_ids == toset(["test"]),
    ])
    error_message = "TLS only, encrypted, two nodes in two zones, and users"
  }
  assert {
    condition     = one(aws_elasticache_user.service["this"].authentication_mode).type == "iam" && aws_elasticache_user.service["this"].user_id == aws_elasticache_user.service["this"].user_name && aws_elasticache_user_group.valkey["this"].user_ids == toset(["test-service"])
    error_message = "one user, who signs in with IAM and has no password"
  }
  assert {
    condition     = startswith(aws_elasticache_user.service["this"].access_string, "on ~notebook:* &notebook:* -@all ") && endswith(aws_elasticache_user.service["this"].access_string, " -@dangerous")
    error_message = "own keys and channels, no dangerous command"
  }
  assert {
    condition     = one(data.aws_iam_policy_document.valkey["this"].statement).actions == toset(["elasticache:Connect"]) && length(one(data.aws_iam_policy_document.valkey["this"].statement).resources) == 2
    error_message = "the policy is to sign in as this user to this group"
  }
  assert {
    condition     = [for key, rule in aws_vpc_security_group_ingress_rule.valkey : [key, rule.referenced_security_group_id, rule.from_port, rule.to_port]] == [["tasks", "sg-tasks", 6379, 6379]]
    error_message = "the clients and nobody else"
  }
}

run "one_node_has_nobody_to_take_over" {
  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = {} }
    valkey  = { nodes = 1 }
  }

  assert {
    condition     = !aws_elasticache_replication_group.valkey["this"].automatic_failover_enabled && !aws_elasticache_replication_group.valkey["this"].multi_az_enabled
    error_message = "AWS refuses a failover to nobody"
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

run "database_in_one_subnet" {
  command = plan
  variables {
    network  = { vpc_id = "vpc-1", subnet_ids = ["subnet-a"], client_security_group_ids = {} }
    postgres = {}
  }
  expect_failures = [var.network]
}

run "database_nowhere" {
  command = plan
  variables {
    valkey = {}
  }
  expect_failures = [var.network]
}

run "a_database_of_yesterday" {
  command = plan
  variables {
    network  = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = {} }
    postgres = { engine_version = "15" }
  }
  expect_failures = [var.postgres]
}

run "a_class_of_ec2" {
  command = plan
  variables {
    network  = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = {} }
    postgres = { instance_class = "t4g.micro" }
  }
  expect_failures = [var.postgres]
}

run "a_disk_that_can_not_grow" {
  command = plan
  variables {
    network  = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = {} }
    postgres = { storage_gib = 100, max_storage_gib = 105 }
  }
  expect_failures = [var.postgres]
}

run "no_backups" {
  command = plan
  variables {
    network  = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = {} }
    postgres = { backup_days = 0 }
  }
  expect_failures = [var.postgres]
}

run "a_user_that_rds_keeps" {
  command = plan
  variables {
    network  = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = {} }
    postgres = { username = "rdsadmin" }
  }
  expect_failures = [var.postgres]
}

run "half_a_password" {
  command = plan
  variables {
    network  = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = {} }
    postgres = { password_generation = 0.5 }
  }
  expect_failures = [var.postgres]
}

run "database_logs_for_ever" {
  command = plan
  variables {
    network  = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = {} }
    postgres = { log_retention_days = 0 }
  }
  expect_failures = [var.postgres]
}

run "two_hyphens_in_a_row" {
  command = plan
  variables {
    network     = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = {} }
    name_prefix = "a--b"
    postgres    = {}
  }
  expect_failures = [var.postgres]
}

run "a_password_that_is_guessed" {
  command = plan
  variables {
    network           = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = {} }
    postgres          = {}
    postgres_password = "short"
  }
  expect_failures = [var.postgres_password]
}

run "a_cache_of_yesterday" {
  command = plan
  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = {} }
    valkey  = { engine_version = "7.2" }
  }
  expect_failures = [var.valkey]
}

run "a_type_of_ec2" {
  command = plan
  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = {} }
    valkey  = { node_type = "t4g.micro" }
  }
  expect_failures = [var.valkey]
}

run "no_node" {
  command = plan
  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = {} }
    valkey  = { nodes = 0 }
  }
  expect_failures = [var.valkey]
}

run "snapshots_for_ever" {
  command = plan
  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = {} }
    valkey  = { snapshot_days = 36 }
  }
  expect_failures = [var.valkey]
}

run "keys_of_everybody" {
  command = plan
  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-a", "subnet-b"], client_security_group_ids = {} }
    valkey  = { key_prefix = "*" }
  }
  expect_failures = [var.valkey]
}
