# Everything that the module has: a bucket with a key, a prefix and a retention of its
# own, a database with a standby, a cache of two nodes, and a role that may use them.
# It is made to be destroyed: nothing is protected.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100.0"
    }
  }
}

variable "region" {
  description = "AWS region, such as eu-north-1."
  type        = string
  default     = "eu-north-1"
  nullable    = false
}

variable "name_prefix" {
  description = "Start of every name."
  type        = string
  default     = "data-example"
  nullable    = false
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "reactive-notebook", Example = "data" }
  }
}

resource "aws_kms_key" "notebooks" {
  description             = "Notebooks of ${var.name_prefix}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
}

module "network" {
  source = "../../../network"

  name_prefix = var.name_prefix
}

resource "aws_security_group" "service" {
  name        = "${var.name_prefix}-service"
  description = "Stands for the tasks of a service"
  vpc_id      = module.network.vpc_id
}

module "password" {
  source = "../../password"
}

module "data" {
  source = "../.."

  name_prefix = var.name_prefix
  bucket      = { prefix = "team/notebooks", noncurrent_version_days = 14, force_destroy = true }
  kms_key_arn = aws_kms_key.notebooks.arn

  network = {
    vpc_id                    = module.network.vpc_id
    subnet_ids                = module.network.private_subnet_ids
    client_security_group_ids = { service = aws_security_group.service.id }
  }

  postgres = {
    backup_days         = 1
    deletion_protection = false
    final_snapshot      = false
    log_retention_days  = 1
  }
  postgres_password = module.password.value

  valkey = { snapshot_days = 0 }
}

data "aws_iam_policy_document" "assumed_by_tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "service" {
  name               = "${var.name_prefix}-service"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_tasks.json
}

resource "aws_iam_role_policy" "notebooks" {
  name   = "notebooks"
  role   = aws_iam_role.service.id
  policy = module.data.store_policy_json
}

resource "aws_iam_role_policy" "valkey" {
  name   = "valkey"
  role   = aws_iam_role.service.id
  policy = module.data.valkey_policy_json
}

output "data" {
  description = "All outputs of the module."
  value       = module.data
}

output "kms_key_arn" {
  description = "ARN of the key."
  value       = aws_kms_key.notebooks.arn
}
