# The module's rules, on a mocked provider.

mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { name = "eu-north-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-north-1:123456789012:test-alarms" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-north-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }
}

variables {
  name_prefix = "test"
  service = {
    cluster_name      = "cluster"
    service_name      = "service"
    log_group_name    = "/ecs/test"
    load_balancer_arn = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:loadbalancer/app/test/0123456789abcdef"
    target_group_arn  = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:targetgroup/test/fedcba9876543210"
  }
}

run "the_service_is_watched" {
  assert {
    condition     = output.alarm_names == tolist(["test-5xx", "test-cpu", "test-kernel-deaths", "test-latency-p99", "test-log-errors", "test-memory", "test-no-healthy-task"])
    error_message = "each alarm of the service, and none of what isn't there"
  }
  assert {
    condition     = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.this), aws_cloudwatch_metric_alarm.errors_5xx) : alarm.alarm_actions == toset([aws_sns_topic.alarms.arn]) && alarm.ok_actions == toset([aws_sns_topic.alarms.arn])])
    error_message = "every alarm is told, and so is its end"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["no-healthy-task"].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.this["no-healthy-task"].threshold == 1 && aws_cloudwatch_metric_alarm.this["no-healthy-task"].comparison_operator == "LessThanThreshold"
    error_message = "a service that tells nothing is down"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["latency-p99"].extended_statistic == "p99" && aws_cloudwatch_metric_alarm.this["latency-p99"].dimensions == tomap({ LoadBalancer = "app/test/0123456789abcdef", TargetGroup = "targetgroup/test/fedcba9876543210" })
    error_message = "latency is the target group's 99th percentile"
  }
  assert {
    condition     = aws_cloudwatch_log_metric_filter.service["KernelDeaths"].pattern == "{ $.msg = \"kernel died\" }" && aws_cloudwatch_log_metric_filter.service["LogErrors"].pattern == "{ $.level = \"ERROR\" && $.msg != \"kernel died\" }"
    error_message = "the patterns are what the service logs"
  }
  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == aws_kms_key.topic.arn && aws_kms_key.topic.enable_key_rotation
    error_message = "the topic is encrypted by a key that turns over"
  }
  assert {
    condition     = alltrue([for document in [data.aws_iam_policy_document.topic.statement[0], data.aws_iam_policy_document.key.statement[1]] : one(document.condition).variable == "aws:SourceAccount" && one(document.condition).values == tolist(["123456789012"])])
    error_message = "only this account's alarms may publish"
  }
  assert {
    condition     = length(aws_budgets_budget.this) == 0 && length(aws_sns_topic_subscription.email) == 0
    error_message = "no budget and nobody to mail to, without being asked"
  }
  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == 5
    error_message = "the dashboard has the service's five widgets"
  }
}

run "what_else_there_is_is_watched_too" {
  variables {
    distribution_id             = "E1"
    postgres_identifier         = "database"
    valkey_replication_group_id = "cache"
    emails                      = ["a@example.com", "b@example.com"]
    budget                      = { monthly_usd = 100, tags = { Environment = "test" } }
  }

  assert {
    condition     = length(setintersection(output.alarm_names, ["test-postgres-cpu", "test-postgres-storage", "test-valkey-memory"])) == 3
    error_message = "database and cache have alarms"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["postgres-storage"].threshold == 5368709120
    error_message = "GiB become bytes"
  }
  assert {
    condition     = [for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.properties.region if strcontains(widget.properties.title, "CloudFront")] == ["us-east-1"]
    error_message = "CloudFront's metrics are looked for where they are"
  }
  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == 8
    error_message = "distribution, database and cache have widgets"
  }
  assert {
    condition     = aws_budgets_budget.this[0].limit_amount == "100" && one(aws_budgets_budget.this[0].cost_filter).values == tolist(["user:Environment$test"]) && length(aws_budgets_budget.this[0].notification) == 2
    error_message = "the budget counts what has the tags"
  }
  assert {
    condition     = keys(aws_sns_topic_subscription.email) == ["a@example.com", "b@example.com"]
    error_message = "everybody is mailed to"
  }
}

run "no_alarm_that_is_not_wanted" {
  variables {
    alarms = { errors_5xx = 0, latency_p99_seconds = 0, cpu_percent = 0, memory_percent = 0, no_healthy_task = false, kernel_deaths = 0, log_errors = 0 }
  }

  assert {
    condition     = length(output.alarm_names) == 0
    error_message = "0 is no alarm"
  }
}

run "name_with_capitals" {
  command = plan
  variables {
    name_prefix = "Test"
  }
  expect_failures = [var.name_prefix]
}

run "a_network_load_balancer" {
  command = plan
  variables {
    service = {
      cluster_name      = "cluster"
      service_name      = "service"
      log_group_name    = "/ecs/test"
      load_balancer_arn = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:loadbalancer/net/test/0123456789abcdef"
      target_group_arn  = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:targetgroup/test/fedcba9876543210"
    }
  }
  expect_failures = [var.service]
}

run "more_than_the_whole" {
  command = plan
  variables {
    alarms = { cpu_percent = 120 }
  }
  expect_failures = [var.alarms]
}

run "fewer_errors_than_none" {
  command = plan
  variables {
    alarms = { log_errors = -1 }
  }
  expect_failures = [var.alarms]
}

run "mail_to_nowhere" {
  command = plan
  variables {
    emails = ["operations"]
  }
  expect_failures = [var.emails]
}

run "budget_of_nothing" {
  command = plan
  variables {
    budget = { monthly_usd = 0 }
  }
  expect_failures = [var.budget]
}
