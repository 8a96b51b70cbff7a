# A network with everything that the module has: three zones, a NAT gateway in each.

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

module "network" {
  source = "../.."

  name_prefix = var.name_prefix
  cidr_block  = "10.20.0.0/16"
  az_count    = 3
  nat         = "per_az"
}

output "network" {
  description = "All outputs of the module."
  value       = module.network
}
