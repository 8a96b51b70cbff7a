# A service with nothing but what it must have: one task behind an internal load
# balancer.

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
  default     = "ecs-minimal"
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

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "reactive-notebook", Example = "ecs-minimal" }
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
  task_size     = var.task_size

  wait_for_steady_state = var.wait_for_steady_state
}

output "ecs" {
  description = "All outputs of the module."
  value       = module.ecs
}
