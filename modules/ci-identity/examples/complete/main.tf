# Roles for two environments, of HCP Terraform and of GitHub.

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
  default     = "ci-example"
  nullable    = false
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "reactive-notebook", Example = "ci-identity" }
  }
}

module "ecr" {
  source = "../../../ecr"

  name = var.name_prefix
}

module "ci_identity" {
  source = "../.."

  name_prefix = var.name_prefix
  regions     = [var.region]

  hcp_terraform = {
    organization = "example"
    workspaces   = { dev = "${var.name_prefix}-dev", production = "${var.name_prefix}-production" }
  }

  github = {
    repository          = "example/notebooks"
    deploy_environments = { dev = "dev", production = "production" }
  }
  repository_arn = module.ecr.repository_arn
}

output "ci_identity" {
  description = "All outputs of the module."
  value       = module.ci_identity
}
