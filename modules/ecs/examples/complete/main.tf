# A service with everything that the module has: a secret, a permission of its own, a
# shell for operators, Spot beside on-demand capacity, X86, its own times.

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

variable "wait_for_steady_state" {
  description = "Whether an apply waits for healthy tasks."
  type        = bool
  default     = true
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
}

resource "aws_secretsmanager_secret" "token" {
  name_prefix             = "${var.name_prefix}-token-"
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

  load_balancer = { subnet_ids = module.network.private_subnet_ids, port = 8080 }
  task_network  = { subnet_ids = module.network.public_subnet_ids, assign_public_ip = true }

  image            = var.image
  cpu_architecture = "X86_64"
  task_size        = { cpu = 1024, memory = 4096 }
  capacity         = { on_demand_base = 1, on_demand_weight = 1, spot_weight = 3 }
  desired_count    = 2

  environment = { ADDR = ":8000", ENVIRONMENT = "example" }
  secrets     = { NOTEBOOK_TOKEN = aws_secretsmanager_secret.token.arn }

  task_policies = { token = data.aws_iam_policy_document.task.json }

  timeouts            = { origin_read = 90, idle = 600, deregistration = 45, stop = 60 }
  target_health_check = { interval_seconds = 15, grace_period_seconds = 90 }

  wait_for_steady_state = var.wait_for_steady_state

  execute_command    = true
  container_insights = "enhanced"
  log_retention_days = 14
}

output "ecs" {
  description = "All outputs of the module."
  value       = module.ecs
}
