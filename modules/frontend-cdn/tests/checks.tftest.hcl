# What shows only after an apply, with an AWS that says so.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_cloudfront_distribution" {
    defaults = { arn = "arn:aws:cloudfront::123456789012:distribution/EXAMPLE", status = "InProgress" }
  }
  mock_resource "aws_cloudfront_function" {
    defaults = { arn = "arn:aws:cloudfront::123456789012:function/spa" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::bucket", bucket_regional_domain_name = "bucket.s3.eu-north-1.amazonaws.com" }
  }
}

mock_provider "aws" {
  alias = "us_east_1"

  mock_resource "aws_wafv2_web_acl" {
    defaults = { arn = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/test/0", capacity = 1600 }
  }
}

variables {
  name_prefix = "test"
  api_origin = {
    load_balancer_arn = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:loadbalancer/app/test/0123456789abcdef"
    domain_name       = "internal-test.eu-north-1.elb.amazonaws.com"
  }
  waf = { log_retention_days = 0 }
}

run "what_is_not_everywhere_and_what_costs_extra_is_told" {
  expect_failures = [check.the_distribution_is_everywhere, check.the_firewall_costs_no_extra]
}
