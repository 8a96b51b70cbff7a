# The page's distribution before an internal load balancer that has nothing behind
# it: it answers everything with a 503.

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
  default     = "cdn-minimal"
  nullable    = false
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "reactive-notebook", Example = "frontend-cdn-minimal" }
  }
}

provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"

  default_tags {
    tags = { Project = "reactive-notebook", Example = "frontend-cdn-minimal" }
  }
}

module "network" {
  source = "../../../network"

  name_prefix = var.name_prefix
}

resource "aws_security_group" "api" {
  name        = "${var.name_prefix}-api"
  description = "Load balancer of the example"
  vpc_id      = module.network.vpc_id
}

resource "aws_lb" "api" {
  name                       = "${var.name_prefix}-api"
  internal                   = true
  load_balancer_type         = "application"
  subnets                    = module.network.private_subnet_ids
  security_groups            = [aws_security_group.api.id]
  drop_invalid_header_fields = true
}

resource "aws_lb_listener" "api" {
  load_balancer_arn = aws_lb.api.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      status_code  = "503"
    }
  }
}

module "frontend_cdn" {
  source    = "../.."
  providers = { aws = aws, aws.us_east_1 = aws.us_east_1 }

  name_prefix = var.name_prefix

  api_origin = {
    load_balancer_arn = aws_lb.api.arn
    domain_name       = aws_lb.api.dns_name
  }

  force_destroy = true
}

output "frontend_cdn" {
  description = "All outputs of the module."
  value       = module.frontend_cdn
}
