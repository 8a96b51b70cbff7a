# The module's rules, on a mocked provider.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  name = "reactive-notebook"
}

run "images_are_immutable_scanned_and_encrypted" {
  command = plan

  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE"
    error_message = "a tag must name one image for ever"
  }
  assert {
    condition     = aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push
    error_message = "images are scanned when they are pushed"
  }
  assert {
    condition     = aws_ecr_repository.this.encryption_configuration[0].encryption_type == "AES256"
    error_message = "without a key of one's own, ECR's encrypts"
  }
  assert {
    condition     = !aws_ecr_repository.this.force_delete
    error_message = "a repository with images is protected"
  }
  assert {
    condition     = length(aws_ecr_repository_policy.pull) == 0
    error_message = "nobody outside of the account may pull"
  }
}

run "retention_becomes_lifecycle_rules" {
  command = plan

  variables {
    retention = { tagged_images = 5, untagged_days = 2 }
  }

  assert {
    condition     = [for r in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : r.selection.countNumber] == [2, 5]
    error_message = "the rules carry the numbers"
  }
}

run "a_key_of_ones_own" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-north-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }

  assert {
    condition     = aws_ecr_repository.this.encryption_configuration[0].encryption_type == "KMS"
    error_message = "the key is used"
  }
}

run "another_account_may_pull" {
  command = plan

  variables {
    pull_principal_arns = ["arn:aws:iam::210987654321:root"]
  }

  assert {
    condition     = length(aws_ecr_repository_policy.pull) == 1
    error_message = "the repository has a policy"
  }
}

run "name_with_capitals" {
  command = plan

  variables {
    name = "Notebook"
  }

  expect_failures = [var.name]
}

run "no_tagged_images" {
  command = plan

  variables {
    retention = { tagged_images = 0 }
  }

  expect_failures = [var.retention]
}

run "half_a_day" {
  command = plan

  variables {
    retention = { untagged_days = 0.5 }
  }

  expect_failures = [var.retention]
}

run "a_keys_alias" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-north-1:123456789012:alias/images"
  }

  expect_failures = [var.kms_key_arn]
}

run "everybody_may_pull" {
  command = plan

  variables {
    pull_principal_arns = ["*"]
  }

  expect_failures = [var.pull_principal_arns]
}
