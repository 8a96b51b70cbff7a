terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100.0"

      # CloudFront's certificates, firewalls and log deliveries are made in us-east-1,
      # wherever the rest is.
      configuration_aliases = [aws.us_east_1]
    }
  }
}
