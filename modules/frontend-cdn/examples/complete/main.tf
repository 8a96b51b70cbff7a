# The page's distribution with everything that the module has: names and a certificate
# of its own, a public origin that is told a secret, a firewall, logs, a key. Nothing
# answers at the origin.

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
  default     = "cdn-example"
  nullable    = false
}

variable "domain_name" {
  description = "Domain of the example's names."
  type        = string
  default     = "cdn-example.com"
  nullable    = false
}

variable "zone_id" {
  description = "Id of the Route 53 zone in which the domain's names are made; null to make one, whose names are led to it only in a registry that is told so."
  type        = string
  default     = null
}

variable "origin_secret" {
  description = "What the distribution tells the origin: 32 to 128 letters, digits, hyphens and underscores."
  type        = string
  default     = "an-example-s-secret-is-no-secret-0"
  sensitive   = true
  nullable    = false
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "reactive-notebook", Example = "frontend-cdn" }
  }
}

provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"

  default_tags {
    tags = { Project = "reactive-notebook", Example = "frontend-cdn" }
  }
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

# CloudFront must be let in by the key itself, for distributions of this account.
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
    actions   = ["kms:Decrypt"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["cloudfront.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${data.aws_partition.current.partition}:cloudfront::${data.aws_caller_identity.current.account_id}:distribution/*"]
    }
  }
}

resource "aws_kms_key" "page" {
  description             = "Page of ${var.name_prefix}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy                  = data.aws_iam_policy_document.key.json
}

module "frontend_cdn" {
  source    = "../.."
  providers = { aws = aws, aws.us_east_1 = aws.us_east_1 }

  name_prefix = var.name_prefix
  price_class = "PriceClass_All"

  api_origin = {
    exposure             = "public"
    domain_name          = "origin.${var.domain_name}"
    https_port           = 8443
    read_timeout_seconds = 45
  }
  origin_secret = { header = "X-Example-Secret", value = var.origin_secret }

  domain = {
    name    = "notebooks.${var.domain_name}"
    aliases = ["nb.${var.domain_name}"]
    zone_id = local.zone_id
  }

  waf         = { requests_per_5_minutes = 2000, log_retention_days = 14 }
  access_logs = { retention_days = 14, force_destroy = true }
  kms_key_arn = aws_kms_key.page.arn

  hsts_max_age_seconds    = 86400
  noncurrent_version_days = 7
  force_destroy           = true
}

output "frontend_cdn" {
  description = "All outputs of the module."
  value       = module.frontend_cdn
}

output "domain_name" {
  description = "Domain of the example's names."
  value       = var.domain_name
}

output "zone_id" {
  description = "Id of the zone in which they are."
  value       = local.zone_id
}
