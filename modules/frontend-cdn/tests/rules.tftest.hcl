# The module's rules, on a mocked provider.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_resource "aws_cloudfront_distribution" {
    defaults = { arn = "arn:aws:cloudfront::123456789012:distribution/EXAMPLE", domain_name = "example.cloudfront.net", hosted_zone_id = "Z2FDTNDATAQYW2", status = "Deployed" }
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

  mock_resource "aws_acm_certificate" {
    defaults = {
      arn = "arn:aws:acm:us-east-1:123456789012:certificate/0"
      domain_validation_options = [
        { domain_name = "notebooks.example.com", resource_record_name = "_1.notebooks.example.com", resource_record_type = "CNAME", resource_record_value = "_1.acm-validations.aws" },
        { domain_name = "nb.example.com", resource_record_name = "_2.nb.example.com", resource_record_type = "CNAME", resource_record_value = "_2.acm-validations.aws" },
      ]
    }
  }
  mock_resource "aws_wafv2_web_acl" {
    defaults = { arn = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/test/0", capacity = 927 }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:123456789012:log-group:aws-waf-logs-test" }
  }
  mock_resource "aws_cloudwatch_log_delivery_destination" {
    defaults = { arn = "arn:aws:logs:us-east-1:123456789012:delivery-destination:test-cdn" }
  }
}

variables {
  name_prefix = "test"
  api_origin = {
    load_balancer_arn = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:loadbalancer/app/test/0123456789abcdef"
    domain_name       = "internal-test.eu-north-1.elb.amazonaws.com"
  }
}

run "the_bucket_is_private_versioned_and_encrypted" {
  command = plan

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.frontend.block_public_acls,
      aws_s3_bucket_public_access_block.frontend.block_public_policy,
      aws_s3_bucket_public_access_block.frontend.ignore_public_acls,
      aws_s3_bucket_public_access_block.frontend.restrict_public_buckets,
    ])
    error_message = "nothing makes the bucket public"
  }
  assert {
    condition     = aws_s3_bucket_versioning.frontend.versioning_configuration[0].status == "Enabled"
    error_message = "overwritten files can be brought back"
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.frontend.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "the bucket is encrypted"
  }
  assert {
    condition     = aws_s3_bucket.frontend.bucket == "test-frontend-123456789012" && !aws_s3_bucket.frontend.force_destroy
    error_message = "the bucket has the account in its name and is protected"
  }
}

run "the_policy_names_this_distribution_only" {
  assert {
    condition = alltrue([
      for s in data.aws_iam_policy_document.frontend.statement : s.effect == "Deny" || (
        jsonencode([for p in s.principals : p.identifiers]) == jsonencode([["cloudfront.amazonaws.com"]]) &&
        jsonencode([for c in s.condition : c.values]) == jsonencode([["arn:aws:cloudfront::123456789012:distribution/EXAMPLE"]])
      )
    ])
    error_message = "whoever may read must be CloudFront, for this distribution"
  }
}

run "page_and_api_have_their_own_behaviours" {
  assert {
    condition     = [for b in aws_cloudfront_distribution.this.ordered_cache_behavior : b.path_pattern] == ["/api/*", "/health", "/assets/sandbox-*"]
    error_message = "the service has /api/* and /health, the page everything else, its sandbox apart"
  }
  assert {
    condition = alltrue([
      for b in aws_cloudfront_distribution.this.ordered_cache_behavior :
      b.target_origin_id == "api" && b.viewer_protocol_policy == "https-only" &&
      b.cache_policy_id == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad" &&
      b.origin_request_policy_id == "b689b0a8-53d0-40ab-baf2-68738e2966ac" &&
      length(b.function_association) == 0
      if !startswith(b.path_pattern, "/assets/")
    ])
    error_message = "the API is not cached, gets what the viewer sent, and no route of it is rewritten"
  }
  assert {
    condition     = contains(aws_cloudfront_distribution.this.ordered_cache_behavior[0].allowed_methods, "DELETE") && !contains(aws_cloudfront_distribution.this.ordered_cache_behavior[1].allowed_methods, "POST")
    error_message = "the API takes every method, the health check reading ones"
  }
  assert {
    condition     = one(aws_cloudfront_distribution.this.default_cache_behavior[0].function_association).event_type == "viewer-request"
    error_message = "the app's routes are rewritten before the cache"
  }
  assert {
    condition     = length(aws_cloudfront_distribution.this.custom_error_response) == 0
    error_message = "no error of the API may become the page"
  }
  assert {
    condition     = aws_cloudfront_distribution.this.http_version == "http2and3" && aws_cloudfront_distribution.this.is_ipv6_enabled
    error_message = "HTTP/2, HTTP/3 and IPv6 are on"
  }
  assert {
    condition     = one([for o in aws_cloudfront_distribution.this.origin : o.vpc_origin_config[0].origin_read_timeout if o.origin_id == "api"]) == 60
    error_message = "CloudFront waits 60 seconds for the origin"
  }
}

run "every_answer_has_the_security_headers" {
  command = plan

  assert {
    condition     = aws_cloudfront_response_headers_policy.this["security"].security_headers_config[0].content_security_policy[0].content_security_policy == "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; frame-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    error_message = "the policy is the one that the service sends, too"
  }
  assert {
    condition     = aws_cloudfront_response_headers_policy.this["security"].security_headers_config[0].strict_transport_security[0].access_control_max_age_sec == 31536000
    error_message = "browsers insist on HTTPS for a year"
  }
}

run "html_of_cells_has_no_origin_and_no_network" {
  assert {
    condition     = aws_cloudfront_response_headers_policy.this["sandbox"].security_headers_config[0].content_security_policy[0].content_security_policy == "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob: data:; worker-src blob: data:; style-src 'unsafe-inline'; img-src data: blob:; media-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    error_message = "the policy is the one that the service sends, too"
  }
  assert {
    condition = alltrue([
      for b in aws_cloudfront_distribution.this.ordered_cache_behavior :
      b.target_origin_id == "frontend" && b.response_headers_policy_id == output.sandbox_headers_policy_id
      if b.path_pattern == "/assets/sandbox-*"
    ]) && output.sandbox_headers_policy_id != output.response_headers_policy_id
    error_message = "the sandbox is a file of the page's, with a policy of its own"
  }
  assert {
    condition     = aws_cloudfront_response_headers_policy.this["sandbox"].security_headers_config[0].frame_options[0].frame_option == "SAMEORIGIN" && aws_cloudfront_response_headers_policy.this["security"].security_headers_config[0].frame_options[0].frame_option == "DENY"
    error_message = "the page may frame the sandbox, and nobody the page"
  }
}

run "the_url_is_an_origin" {
  assert {
    condition     = output.url == "https://example.cloudfront.net"
    error_message = "no slash at the end: browsers send none in Origin"
  }
}

run "a_public_origin_gets_the_secret_over_https" {
  variables {
    api_origin    = { exposure = "public", domain_name = "origin.example.com", https_port = 8443 }
    origin_secret = { value = "0123456789abcdef0123456789abcdef" }
  }

  assert {
    condition     = length(aws_cloudfront_vpc_origin.api) == 0 && output.vpc_origin_id == null
    error_message = "no VPC origin is made"
  }
  assert {
    condition = one([for o in aws_cloudfront_distribution.this.origin : (
      o.custom_origin_config[0].origin_protocol_policy == "https-only" && o.custom_origin_config[0].https_port == 8443 && o.custom_origin_config[0].origin_ssl_protocols == toset(["TLSv1.2"])
    ) if o.origin_id == "api"])
    error_message = "what crosses the internet is encrypted"
  }
  assert {
    condition     = one([for o in aws_cloudfront_distribution.this.origin : [for h in o.custom_header : "${h.name}: ${h.value}"] if o.origin_id == "api"]) == ["X-Origin-Verify: 0123456789abcdef0123456789abcdef"]
    error_message = "the load balancer knows this distribution"
  }
  assert {
    condition     = one([for o in aws_cloudfront_distribution.this.origin : length(o.custom_header) if o.origin_id == "frontend"]) == 0
    error_message = "the bucket isn't told"
  }
}

run "names_of_its_own" {
  variables {
    domain = { name = "notebooks.example.com", aliases = ["nb.example.com"], zone_id = "Z1" }
  }

  assert {
    condition     = aws_cloudfront_distribution.this.aliases == toset(["nb.example.com", "notebooks.example.com"]) && output.url == "https://notebooks.example.com"
    error_message = "the distribution answers to both, and the first is the page's address"
  }
  assert {
    condition     = aws_cloudfront_distribution.this.viewer_certificate[0].minimum_protocol_version == "TLSv1.2_2021" && aws_cloudfront_distribution.this.viewer_certificate[0].ssl_support_method == "sni-only" && !aws_cloudfront_distribution.this.viewer_certificate[0].cloudfront_default_certificate
    error_message = "with the certificate made for them, and no old protocols"
  }
  assert {
    condition     = toset([for r in aws_route53_record.this : "${r.name} ${r.type}"]) == toset(["notebooks.example.com A", "notebooks.example.com AAAA", "nb.example.com A", "nb.example.com AAAA"])
    error_message = "each name leads there by IPv4 and IPv6"
  }
  assert {
    condition     = aws_route53_record.proof["nb.example.com"].name == "_2.nb.example.com" && aws_route53_record.proof["notebooks.example.com"].name == "_1.notebooks.example.com"
    error_message = "each name is proved"
  }
}

run "a_certificate_of_ones_own" {
  variables {
    domain = { name = "notebooks.example.com", certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1" }
  }

  assert {
    condition     = aws_cloudfront_distribution.this.viewer_certificate[0].acm_certificate_arn == "arn:aws:acm:us-east-1:123456789012:certificate/1" && length(aws_acm_certificate.this) == 0 && length(aws_route53_record.this) == 0
    error_message = "nothing is made beside it"
  }
}

run "a_firewall_that_lets_cells_pass" {
  variables {
    waf = { requests_per_5_minutes = 1000, managed_rule_groups = ["AWSManagedRulesCommonRuleSet", "AWSManagedRulesSQLiRuleSet"] }
  }

  assert {
    condition     = aws_cloudfront_distribution.this.web_acl_id == aws_wafv2_web_acl.this[0].arn && aws_wafv2_web_acl.this[0].scope == "CLOUDFRONT"
    error_message = "the distribution is behind it"
  }
  assert {
    condition     = one([for r in aws_wafv2_web_acl.this[0].rule : r.statement[0].rate_based_statement[0].limit if r.name == "rate"]) == 1000
    error_message = "one address has its share"
  }
  assert {
    condition = alltrue([for r in aws_wafv2_web_acl.this[0].rule :
      alltrue([for o in r.statement[0].managed_rule_group_statement[0].rule_action_override : endswith(o.name, "_BODY") && length(o.action_to_use[0].count) == 1]) &&
      length(r.statement[0].managed_rule_group_statement[0].rule_action_override) >= 2
      if r.name != "rate"
    ])
    error_message = "a program in a body is counted, not blocked"
  }
  assert {
    condition     = aws_cloudwatch_log_group.waf[0].name == "aws-waf-logs-test" && aws_cloudwatch_log_group.waf[0].retention_in_days == 30
    error_message = "what it does is logged for a month"
  }
}

run "a_firewall_without_a_log" {
  command = plan

  variables {
    waf = { log_retention_days = 0 }
  }

  assert {
    condition     = length(aws_wafv2_web_acl.this) == 1 && length(aws_cloudwatch_log_group.waf) == 0 && length(aws_wafv2_web_acl_logging_configuration.this) == 0
    error_message = "no log is made"
  }
}

run "access_logs_without_queries_and_cookies" {
  variables {
    access_logs = { retention_days = 30 }
  }

  assert {
    condition     = aws_cloudwatch_log_delivery_source.this[0].log_type == "ACCESS_LOGS" && aws_cloudwatch_log_delivery_source.this[0].resource_arn == aws_cloudfront_distribution.this.arn && output.access_log_bucket_name != null
    error_message = "the distribution's log goes to a bucket"
  }
  assert {
    condition     = length([for field in aws_cloudwatch_log_delivery.this[0].record_fields : field if can(regex("query|Cookie", field))]) == 0
    error_message = "what belongs to the service alone is not kept"
  }
}

run "a_bucket_with_a_key_of_ones_own" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-north-1:123456789012:key/1"
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.frontend.rule).apply_server_side_encryption_by_default).kms_master_key_id == var.kms_key_arn && one(aws_s3_bucket_server_side_encryption_configuration.frontend.rule).bucket_key_enabled
    error_message = "the bucket has the key, asked for once for many objects"
  }
}

run "the_api_keeps_its_own_content_policy" {
  assert {
    condition = alltrue([for b in aws_cloudfront_distribution.this.ordered_cache_behavior :
      (b.target_origin_id == "api") == (b.response_headers_policy_id == aws_cloudfront_response_headers_policy.this["api"].id)
    ])
    error_message = "every answer of the API has the API's headers, no other has"
  }
  assert {
    condition     = !aws_cloudfront_response_headers_policy.this["api"].security_headers_config[0].content_security_policy[0].override && aws_cloudfront_response_headers_policy.this["api"].security_headers_config[0].strict_transport_security[0].override
    error_message = "the service's policy stands, which keeps an exported notebook in its sandbox"
  }
}

run "name_too_long" {
  command = plan

  variables {
    name_prefix = "a-name-of-more-than-thirty-two-chars"
  }

  expect_failures = [var.name_prefix]
}

run "a_network_load_balancer" {
  command = plan

  variables {
    api_origin = {
      load_balancer_arn = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:loadbalancer/net/test/0123456789abcdef"
      domain_name       = "test.example.com"
    }
  }

  expect_failures = [var.api_origin]
}

run "a_read_timeout_beyond_cloudfronts" {
  command = plan

  variables {
    api_origin = {
      load_balancer_arn    = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:loadbalancer/app/test/0123456789abcdef"
      domain_name          = "test.example.com"
      read_timeout_seconds = 121
    }
  }

  expect_failures = [var.api_origin]
}

run "a_keepalive_beyond_cloudfronts" {
  command = plan

  variables {
    api_origin = {
      load_balancer_arn         = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:loadbalancer/app/test/0123456789abcdef"
      domain_name               = "test.example.com"
      keepalive_timeout_seconds = 61
    }
  }

  expect_failures = [var.api_origin]
}

run "a_port_that_cloudfront_does_not_connect_to" {
  command = plan

  variables {
    api_origin = {
      load_balancer_arn = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:loadbalancer/app/test/0123456789abcdef"
      domain_name       = "test.example.com"
      http_port         = 25
    }
  }

  expect_failures = [var.api_origin]
}

run "scripts_from_anywhere" {
  command = plan

  variables {
    content_security_policy = "default-src 'self'; script-src 'self' 'unsafe-inline'"
  }

  expect_failures = [var.content_security_policy]
}

run "hsts_beyond_32_bits" {
  command = plan

  variables {
    hsts_max_age_seconds = 2147483648
  }

  expect_failures = [var.hsts_max_age_seconds]
}

run "unknown_price_class" {
  command = plan

  variables {
    price_class = "PriceClass_300"
  }

  expect_failures = [var.price_class]
}

run "old_versions_for_ever" {
  command = plan

  variables {
    noncurrent_version_days = 0
  }

  expect_failures = [var.noncurrent_version_days]
}

run "exposed_to_some" {
  command = plan

  variables {
    api_origin = {
      load_balancer_arn = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:loadbalancer/app/test/0123456789abcdef"
      domain_name       = "origin.example.com"
      exposure          = "some"
    }
  }

  expect_failures = [var.api_origin]
}

run "a_public_origin_by_amazons_name" {
  command = plan

  variables {
    api_origin    = { exposure = "public", domain_name = "test.eu-north-1.elb.amazonaws.com" }
    origin_secret = { value = "0123456789abcdef0123456789abcdef" }
  }

  expect_failures = [var.api_origin]
}

run "a_public_origin_without_a_secret" {
  command = plan

  variables {
    api_origin = { exposure = "public", domain_name = "origin.example.com" }
  }

  expect_failures = [var.origin_secret]
}

run "a_secret_to_be_guessed" {
  command = plan

  variables {
    api_origin    = { exposure = "public", domain_name = "origin.example.com" }
    origin_secret = { value = "secret" }
  }

  expect_failures = [var.origin_secret]
}

run "a_secret_in_a_header_that_cloudfront_keeps" {
  command = plan

  variables {
    api_origin    = { exposure = "public", domain_name = "origin.example.com" }
    origin_secret = { header = "Host", value = "0123456789abcdef0123456789abcdef" }
  }

  expect_failures = [var.origin_secret]
}

run "a_wildcard_name" {
  command = plan

  variables {
    domain = { name = "*.example.com", zone_id = "Z1" }
  }

  expect_failures = [var.domain]
}

run "a_name_twice" {
  command = plan

  variables {
    domain = { name = "nb.example.com", aliases = ["nb.example.com"], zone_id = "Z1" }
  }

  expect_failures = [var.domain]
}

run "a_name_without_zone_or_certificate" {
  command = plan

  variables {
    domain = { name = "nb.example.com" }
  }

  expect_failures = [var.domain]
}

run "a_certificate_of_another_region" {
  command = plan

  variables {
    domain = { name = "nb.example.com", certificate_arn = "arn:aws:acm:eu-north-1:123456789012:certificate/1" }
  }

  expect_failures = [var.domain]
}

run "nobody_may_ask" {
  command = plan

  variables {
    waf = { requests_per_5_minutes = 1 }
  }

  expect_failures = [var.waf]
}

run "an_unknown_rule_group" {
  command = plan

  variables {
    waf = { managed_rule_groups = ["AWSManagedRulesPHPRuleSet"] }
  }

  expect_failures = [var.waf]
}

run "a_rule_group_twice" {
  command = plan

  variables {
    waf = { managed_rule_groups = ["AWSManagedRulesCommonRuleSet", "AWSManagedRulesCommonRuleSet"] }
  }

  expect_failures = [var.waf]
}

run "a_firewalls_log_for_two_days" {
  command = plan

  variables {
    waf = { log_retention_days = 2 }
  }

  expect_failures = [var.waf]
}

run "access_logs_for_ever" {
  command = plan

  variables {
    access_logs = { retention_days = 0 }
  }

  expect_failures = [var.access_logs]
}

run "a_keys_alias" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-north-1:123456789012:alias/page"
  }

  expect_failures = [var.kms_key_arn]
}
