# What is asked at CloudFront's edge is looked at before it costs anything else.
locals {
  # Rules that look into bodies count but don't block: cells are programs, and a
  # program may well look like an attack. Who may send one has the token.
  counted_rules = {
    AWSManagedRulesCommonRuleSet          = ["CrossSiteScripting_BODY", "EC2MetaDataSSRF_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "SizeRestrictions_BODY"]
    AWSManagedRulesKnownBadInputsRuleSet  = ["JavaDeserializationRCE_BODY", "Log4JRCE_BODY"]
    AWSManagedRulesSQLiRuleSet            = ["SQLiExtendedPatterns_BODY", "SQLi_BODY"]
    AWSManagedRulesUnixRuleSet            = ["UNIXShellCommandsVariables_BODY"]
    AWSManagedRulesLinuxRuleSet           = []
    AWSManagedRulesAmazonIpReputationList = []
    AWSManagedRulesAnonymousIpList        = []
  }
}

resource "aws_wafv2_web_acl" "this" {
  count = var.waf == null ? 0 : 1

  provider = aws.us_east_1

  name        = var.name_prefix
  description = "In front of the distribution of ${var.name_prefix}"
  scope       = "CLOUDFRONT"

  default_action {
    allow {}
  }

  rule {
    name     = "rate"
    priority = 0

    action {
      block {}
    }

    statement {
      rate_based_statement {
        aggregate_key_type    = "IP"
        evaluation_window_sec = 300
        limit                 = var.waf.requests_per_5_minutes
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${var.name_prefix}-rate"
      sampled_requests_enabled   = true
    }
  }

  dynamic "rule" {
    for_each = var.waf.managed_rule_groups

    content {
      name     = rule.value
      priority = rule.key + 1

      override_action {
        none {}
      }

      statement {
        managed_rule_group_statement {
          vendor_name = "AWS"
          name        = rule.value

          dynamic "rule_action_override" {
            for_each = local.counted_rules[rule.value]

            content {
              name = rule_action_override.value

              action_to_use {
                count {}
              }
            }
          }
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = "${var.name_prefix}-${rule.value}"
        sampled_requests_enabled   = true
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = var.name_prefix
    sampled_requests_enabled   = true
  }
}

# Logs of a firewall must be named so.
resource "aws_cloudwatch_log_group" "waf" {
  count = try(var.waf.log_retention_days, 0) == 0 ? 0 : 1

  provider = aws.us_east_1

  name              = "aws-waf-logs-${var.name_prefix}"
  retention_in_days = var.waf.log_retention_days
}

resource "aws_wafv2_web_acl_logging_configuration" "this" {
  count = length(aws_cloudwatch_log_group.waf)

  provider = aws.us_east_1

  resource_arn            = aws_wafv2_web_acl.this[0].arn
  log_destination_configs = [aws_cloudwatch_log_group.waf[0].arn]

  # Whoever reads logs must not get in with them.
  redacted_fields {
    single_header {
      name = "authorization"
    }
  }

  redacted_fields {
    single_header {
      name = "cookie"
    }
  }

  # What passed is in the access logs.
  logging_filter {
    default_behavior = "DROP"

    filter {
      behavior    = "KEEP"
      requirement = "MEETS_ANY"

      condition {
        action_condition {
          action = "BLOCK"
        }
      }

      condition {
        action_condition {
          action = "COUNT"
        }
      }
    }
  }
}

# AWS says what a set of rules weighs when it is made.
check "the_firewall_costs_no_extra" {
  assert {
    condition     = var.waf != null && terraform.applying ? aws_wafv2_web_acl.this[0].capacity <= 1500 : true
    error_message = "The firewall's rules weigh ${try(aws_wafv2_web_acl.this[0].capacity, 0)} capacity units: above 1500 each request costs more. Take groups out of waf.managed_rule_groups."
  }
}
