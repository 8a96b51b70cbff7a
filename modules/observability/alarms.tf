locals {
  service_dimensions = { ClusterName = var.service.cluster_name, ServiceName = var.service.service_name }
  target_dimensions  = { LoadBalancer = local.load_balancer, TargetGroup = local.target_group }

  # One metric, one threshold each, 0 for no alarm. `missing`: what no data means.
  simple_alarms = {
    latency-p99 = {
      threshold   = var.alarms.latency_p99_seconds
      description = "1 % of the requests take longer than ${var.alarms.latency_p99_seconds} s."
      namespace   = "AWS/ApplicationELB", metric = "TargetResponseTime", statistic = "p99", dimensions = local.target_dimensions
      period      = 300, periods = 3, comparison = "GreaterThanThreshold", missing = "notBreaching"
    }
    cpu = {
      threshold   = var.alarms.cpu_percent
      description = "The tasks use more than ${var.alarms.cpu_percent} % of their CPU."
      namespace   = "AWS/ECS", metric = "CPUUtilization", statistic = "Average", dimensions = local.service_dimensions
      period      = 300, periods = 3, comparison = "GreaterThanThreshold", missing = "missing"
    }
    memory = {
      threshold   = var.alarms.memory_percent
      description = "The tasks use more than ${var.alarms.memory_percent} % of their memory: kernels are stopped soon."
      namespace   = "AWS/ECS", metric = "MemoryUtilization", statistic = "Average", dimensions = local.service_dimensions
      period      = 300, periods = 3, comparison = "GreaterThanThreshold", missing = "missing"
    }
    no-healthy-task = {
      threshold   = var.alarms.no_healthy_task ? 1 : 0
      description = "No task is healthy: nobody is served."
      namespace   = "AWS/ApplicationELB", metric = "HealthyHostCount", statistic = "Maximum", dimensions = local.target_dimensions
      period      = 60, periods = 3, comparison = "LessThanThreshold", missing = "breaching"
    }
    kernel-deaths = {
      threshold   = var.alarms.kernel_deaths
      description = "Kernels die, mostly for want of memory; the log says of what."
      namespace   = local.namespace, metric = "KernelDeaths", statistic = "Sum", dimensions = {}
      period      = 300, periods = 1, comparison = "GreaterThanOrEqualToThreshold", missing = "notBreaching"
    }
    log-errors = {
      threshold   = var.alarms.log_errors
      description = "The service logs errors."
      namespace   = local.namespace, metric = "LogErrors", statistic = "Sum", dimensions = {}
      period      = 300, periods = 1, comparison = "GreaterThanOrEqualToThreshold", missing = "notBreaching"
    }
    postgres-cpu = {
      threshold   = var.postgres_identifier == null ? 0 : var.alarms.postgres_cpu_percent
      description = "The database uses more than ${var.alarms.postgres_cpu_percent} % of its CPU."
      namespace   = "AWS/RDS", metric = "CPUUtilization", statistic = "Average", dimensions = { DBInstanceIdentifier = var.postgres_identifier }
      period      = 300, periods = 3, comparison = "GreaterThanThreshold", missing = "missing"
    }
    postgres-storage = {
      threshold   = var.postgres_identifier == null ? 0 : var.alarms.postgres_free_storage_gib * 1024 * 1024 * 1024
      description = "Less than ${var.alarms.postgres_free_storage_gib} GiB of the database's disk are free."
      namespace   = "AWS/RDS", metric = "FreeStorageSpace", statistic = "Minimum", dimensions = { DBInstanceIdentifier = var.postgres_identifier }
      period      = 300, periods = 3, comparison = "LessThanThreshold", missing = "missing"
    }
    valkey-memory = {
      threshold   = var.valkey_replication_group_id == null ? 0 : var.alarms.valkey_memory_percent
      description = "Valkey uses more than ${var.alarms.valkey_memory_percent} % of its memory."
      namespace   = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", statistic = "Maximum", dimensions = { ReplicationGroupId = var.valkey_replication_group_id }
      period      = 300, periods = 3, comparison = "GreaterThanThreshold", missing = "missing"
    }
  }

  percentile = "^p[0-9.]+$"
}

resource "aws_cloudwatch_log_metric_filter" "service" {
  # The service writes one JSON object a line.
  for_each = {
    KernelDeaths = "{ $.msg = \"kernel died\" }"
    LogErrors    = "{ $.level = \"ERROR\" && $.msg != \"kernel died\" }"
  }

  name           = "${var.name_prefix}-${each.key}"
  log_group_name = var.service.log_group_name
  pattern        = each.value

  metric_transformation {
    namespace     = local.namespace
    name          = each.key
    value         = "1"
    default_value = "0"
    unit          = "Count"
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.simple_alarms : name => alarm if alarm.threshold > 0 }

  alarm_name        = "${var.name_prefix}-${each.key}"
  alarm_description = each.value.description

  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = can(regex(local.percentile, each.value.statistic)) ? null : each.value.statistic
  extended_statistic  = can(regex(local.percentile, each.value.statistic)) ? each.value.statistic : null
  period              = each.value.period
  evaluation_periods  = each.value.periods
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing

  # From a handful of requests no percentile can be told.
  evaluate_low_sample_count_percentiles = can(regex(local.percentile, each.value.statistic)) ? "ignore" : null

  alarm_actions = [aws_sns_topic.alarms.arn]
  ok_actions    = [aws_sns_topic.alarms.arn]
}

# The service's own errors and the load balancer's, which answers for tasks that
# don't.
resource "aws_cloudwatch_metric_alarm" "errors_5xx" {
  count = var.alarms.errors_5xx > 0 ? 1 : 0

  alarm_name          = "${var.name_prefix}-5xx"
  alarm_description   = "At least ${var.alarms.errors_5xx} answers in five minutes were server errors."
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = var.alarms.errors_5xx
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "errors"
    label       = "5xx"
    expression  = "FILL(service, 0) + FILL(balancer, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { service = "HTTPCode_Target_5XX_Count", balancer = "HTTPCode_ELB_5XX_Count" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        dimensions  = { LoadBalancer = local.load_balancer }
        period      = 300
        stat        = "Sum"
      }
    }
  }

  alarm_actions = [aws_sns_topic.alarms.arn]
  ok_actions    = [aws_sns_topic.alarms.arn]
}
