# A bucket for the logs of load balancers and of one delivery of CloudWatch's.

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
  default     = "log-example"
  nullable    = false
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "reactive-notebook", Example = "log-bucket" }
  }
}

data "aws_caller_identity" "current" {}

module "log_bucket" {
  source = "../.."

  name           = "${var.name_prefix}-logs"
  retention_days = 14
  force_destroy  = true

  writers = {
    LoadBalancers = { service = "logdelivery.elasticloadbalancing.amazonaws.com" }
    Distribution = {
      service     = "delivery.logs.amazonaws.com"
      source_arns = ["arn:aws:logs:*:${data.aws_caller_identity.current.account_id}:delivery-source:*"]
    }
  }
}

output "log_bucket" {
  description = "All outputs of the module."
  value       = module.log_bucket
}
