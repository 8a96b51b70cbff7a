# A service with everything that the module has: a public load balancer with a name and
# a certificate of its own, tasks that follow load and clock on Spot beside on-demand
# capacity, alarms that roll deployments back, a shell for operators, keys and logs.

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
  default     = "ecs-example"
  nullable    = false
}

variable "image" {
  description = "Image to run, by digest."
  type        = string
  default     = "123456789012.dkr.ecr.eu-north-1.amazonaws.com/example@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  nullable    = false
}

variable "task_size" {
  description = "Size of a task: cpu in units of 1/1024 vCPU, memory in MiB."
  type        = object({ cpu = number, memory = number })
  default     = { cpu = 512, memory = 1024 }
  nullable    = false
}

variable "wait_for_steady_state" {
  description = "Whether an apply waits for healthy tasks."
  type        = bool
  default     = true
  nullable    = false
}

variable "domain_name" {
  description = "Domain of the example's names."
  type        = string
  default     = "ecs-example.com"
  nullable    = false
}

variable "zone_id" {
  description = "Id of the Route 53 zone in which the domain's names are made; null to make one, whose names are led to it only in a registry that is told so."
  type        = string
  default     = null
}

variable "origin_secret" {
  description = "What the distribution tells the load balancer: 32 to 128 letters, digits, hyphens and underscores."
  type        = string
  default     = "an-example-s-secret-is-no-secret-0"
  sensitive   = true
  nullable    = false
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "reactive-notebook", Example = "ecs" }
  }
}

module "network" {
  source = "../../../network"

  name_prefix = var.name_prefix
  ipv6        = true
}

locals {
  zone_id = var.zone_id == null ? aws_route53_zone.this[0].zone_id : var.zone_id
}

resource "aws_route53_zone" "this" {
  count = var.zone_id == null ? 1 : 0

  name          = var.domain_name
  force_destroy = true
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

# One key for the secret, the logs and operators' shells. CloudWatch Logs must be let
# in by the key itself.
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
    actions   = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${var.region}.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["arn:${data.aws_partition.current.partition}:logs:${var.region}:${data.aws_caller_identity.current.account_id}:log-group:/ecs/${var.name_prefix}*"]
    }
  }
}

resource "aws_kms_key" "this" {
  description             = "Secrets and logs of ${var.name_prefix}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_secretsmanager_secret" "token" {
  name_prefix             = "${var.name_prefix}-token-"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 0
}

data "aws_iam_policy_document" "task" {
  statement {
    actions   = ["secretsmanager:DescribeSecret"]
    resources = [aws_secretsmanager_secret.token.arn]
  }
}

module "ecs" {
  source = "../.."

  name_prefix = var.name_prefix
  vpc_id      = module.network.vpc_id

  load_balancer = {
    subnet_ids  = module.network.public_subnet_ids
    exposure    = "public"
    https       = { domain_name = "origin.${var.domain_name}", zone_id = local.zone_id }
    access_logs = { retention_days = 14, force_destroy = true }
  }
  origin_secret = { value = var.origin_secret }
  task_network  = { subnet_ids = module.network.public_subnet_ids, assign_public_ip = true, ipv6 = true }

  image            = var.image
  cpu_architecture = "X86_64"
  task_size        = var.task_size
  capacity         = { on_demand_base = 1, on_demand_weight = 1, spot_weight = 3 }

  desired_count = 2
  autoscaling = {
    min               = 0
    max               = 6
    cpu_percent       = 60
    memory_percent    = 75
    requests_per_task = 600
    schedules = {
      evening = { cron = "cron(0 20 ? * MON-FRI *)", timezone = "Europe/London", min = 0, max = 0 }
      morning = { cron = "cron(0 7 ? * MON-FRI *)", timezone = "Europe/London", min = 2, max = 6 }
    }
  }

  deployment_alarms = { target_5xx_per_minute = 5 }

  environment          = { ADDR = ":8000", ENVIRONMENT = "example" }
  secrets              = { NOTEBOOK_TOKEN = aws_secretsmanager_secret.token.arn }
  secrets_kms_key_arns = [aws_kms_key.this.arn]
  task_policies        = { token = data.aws_iam_policy_document.task.json }

  timeouts            = { origin_read = 90, idle = 600, deregistration = 45, stop = 60 }
  target_health_check = { interval_seconds = 15, grace_period_seconds = 90 }

  wait_for_steady_state = var.wait_for_steady_state

  execute_command    = true
  container_insights = "enhanced"
  log_retention_days = 14
  kms_key_arn        = aws_kms_key.this.arn
}

output "ecs" {
  description = "All outputs of the module."
  value       = module.ecs
}

output "domain_name" {
  description = "Domain of the example's names."
  value       = var.domain_name
}

output "zone_id" {
  description = "Id of the zone in which they are."
  value       = local.zone_id
}
