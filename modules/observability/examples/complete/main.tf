# Everything that the module has, over names of things that need not exist: alarms and
# dashboards are made of names alone. Only the log group must be there.

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
  default     = "observability-example"
  nullable    = false
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "reactive-notebook", Example = "observability" }
  }
}

resource "aws_cloudwatch_log_group" "service" {
  name              = "/example/${var.name_prefix}"
  retention_in_days = 1
}

module "observability" {
  source = "../.."

  name_prefix = var.name_prefix

  service = {
    cluster_name      = var.name_prefix
    service_name      = var.name_prefix
    log_group_name    = aws_cloudwatch_log_group.service.name
    load_balancer_arn = "arn:aws:elasticloadbalancing:${var.region}:123456789012:loadbalancer/app/${var.name_prefix}/0123456789abcdef"
    target_group_arn  = "arn:aws:elasticloadbalancing:${var.region}:123456789012:targetgroup/${var.name_prefix}/0123456789abcdef"
  }

  distribution_id             = "E2EXAMPLE12345"
  postgres_identifier         = var.name_prefix
  valkey_replication_group_id = var.name_prefix

  alarms = { latency_p99_seconds = 2, cpu_percent = 70 }
  emails = ["operations@example.com"]
  budget = { monthly_usd = 50, tags = { Environment = "example" } }
}

output "observability" {
  description = "All outputs of the module."
  value       = module.observability
}
