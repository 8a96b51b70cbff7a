terraform {
  required_version = ">= 1.11"

  # The organization comes from TF_CLOUD_ORGANIZATION. Without HCP Terraform, see
  # README.md beside this file.
  cloud {
    workspaces {
      name = "reactive-notebook-production"
    }
  }

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project     = "reactive-notebook"
      Environment = var.environment
      ManagedBy   = "terraform"
    }
  }
}

# Where CloudFront's certificates and firewalls are made, wherever the rest is.
provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"

  default_tags {
    tags = {
      Project     = "reactive-notebook"
      Environment = var.environment
      ManagedBy   = "terraform"
    }
  }
}
