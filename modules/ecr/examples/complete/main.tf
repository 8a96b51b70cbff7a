# A repository with everything that the module has: an own retention, a key of one's
# own, and another account that may pull.

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
  default     = "ecr-example"
  nullable    = false
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "reactive-notebook", Example = "ecr" }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

# Who pulls from another account must be let in by the key, too.
data "aws_iam_policy_document" "key" {
  statement {
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
  }

  statement {
    actions   = ["kms:Decrypt"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.current.partition}:iam::210987654321:root"]
    }
  }
}

resource "aws_kms_key" "images" {
  description             = "Images of ${var.name_prefix}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy                  = data.aws_iam_policy_document.key.json
}

module "ecr" {
  source = "../.."

  name                = "${var.name_prefix}/notebook"
  retention           = { tagged_images = 20, untagged_days = 3 }
  pull_principal_arns = ["arn:aws:iam::210987654321:root"]
  kms_key_arn         = aws_kms_key.images.arn
  force_delete        = true
}

output "ecr" {
  description = "All outputs of the module."
  value       = module.ecr
}
