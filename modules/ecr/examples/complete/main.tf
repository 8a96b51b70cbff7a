# A repository with everything that the module has: an own retention, and another
# account that may pull.

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

module "ecr" {
  source = "../.."

  name                = "${var.name_prefix}/notebook"
  retention           = { tagged_images = 20, untagged_days = 3 }
  pull_principal_arns = ["arn:aws:iam::210987654321:root"]
  force_delete        = true
}

output "ecr" {
  description = "All outputs of the module."
  value       = module.ecr
}
