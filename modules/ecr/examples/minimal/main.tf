# A repository with nothing but a name.

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
  default     = "ecr-minimal"
  nullable    = false
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "reactive-notebook", Example = "ecr-minimal" }
  }
}

module "ecr" {
  source = "../.."

  name = "${var.name_prefix}/notebook"
}

output "ecr" {
  description = "All outputs of the module."
  value       = module.ecr
}
