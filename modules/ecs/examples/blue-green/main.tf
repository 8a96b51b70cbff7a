# A service whose deployments are CodeDeploy's: a tenth of the traffic moves to the new
# tasks, the rest five minutes later, and all of it back when an alarm rings.

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
  default     = "ecs-blue-green"
  nullable    = false
}

variable "image" {
  description = "Image to run, by digest."
  type        = string
  default     = "123456789012.dkr.ecr.eu-north-1.amazonaws.com/example@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  nullable    = false
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "reactive-notebook", Example = "ecs-blue-green" }
  }
}

module "network" {
  source = "../../../network"

  name_prefix = var.name_prefix
}

module "ecs" {
  source = "../.."

  name_prefix   = var.name_prefix
  vpc_id        = module.network.vpc_id
  load_balancer = { subnet_ids = module.network.private_subnet_ids }
  task_network  = { subnet_ids = module.network.public_subnet_ids, assign_public_ip = true }
  image         = var.image
  desired_count = 2

  deployment        = { strategy = "blue_green", traffic = "CodeDeployDefault.ECSCanary10Percent5Minutes", old_tasks_minutes = 30 }
  deployment_alarms = { target_5xx_per_minute = 10 }
}

output "ecs" {
  description = "All outputs of the module."
  value       = module.ecs
}
