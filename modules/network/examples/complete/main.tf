# A network with everything that the module has: three zones, a NAT gateway in each,
# IPv6, endpoints for what tasks call, flow logs with a key of one's own.

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
  default     = "network-example"
  nullable    = false
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "reactive-notebook", Example = "network" }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

# CloudWatch Logs must be let in by the key itself, for this log group only.
data "aws_iam_policy_document" "logs" {
  statement {
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
  }

  statement {
    actions   = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${var.region}.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["arn:${data.aws_partition.current.partition}:logs:${var.region}:${data.aws_caller_identity.current.account_id}:log-group:/vpc/${var.name_prefix}/flow"]
    }
  }
}

resource "aws_kms_key" "logs" {
  description             = "Flow logs of ${var.name_prefix}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy                  = data.aws_iam_policy_document.logs.json
}

module "network" {
  source = "../.."

  name_prefix = var.name_prefix
  cidr_block  = "10.20.0.0/16"
  az_count    = 3
  nat         = "per_az"
  ipv6        = true

  interface_endpoints = ["ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssmmessages"]

  flow_logs = { interval_seconds = 60, retention_days = 14, kms_key_arn = aws_kms_key.logs.arn }
}

output "network" {
  description = "All outputs of the module."
  value       = module.network
}
