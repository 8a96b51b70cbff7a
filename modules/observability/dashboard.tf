locals {
  region = data.aws_region.current.name

  load_balancer_pair = ["LoadBalancer", local.load_balancer]
  target_pairs       = ["TargetGroup", local.target_group, "LoadBalancer", local.load_balancer]
  service_pairs      = ["ClusterName", var.service.cluster_name, "ServiceName", var.service.service_name]

  # Each widget: its title, its metrics as CloudWatch writes them, and what the
  # numbers are.
  widgets = concat([
    {
      title = "Requests and errors", stat = "Sum", region = local.region
      metrics = [
        concat(["AWS/ApplicationELB", "RequestCount"], local.load_balancer_pair),
        concat(["AWS/ApplicationELB", "HTTPCode_Target_4XX_Count"], local.load_balancer_pair),
        concat(["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count"], local.load_balancer_pair),
        concat(["AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count"], local.load_balancer_pair),
      ]
    },
    {
      title = "Latency in seconds, p50 and p99", stat = "p99", region = local.region
      metrics = [
        concat(["AWS/ApplicationELB", "TargetResponseTime"], local.target_pairs, [{ stat = "p50" }]),
        concat(["AWS/ApplicationELB", "TargetResponseTime"], local.target_pairs, [{ stat = "p99" }]),
      ]
    },
    {
      title = "Healthy tasks and open connections", stat = "Maximum", region = local.region
      metrics = [
        concat(["AWS/ApplicationELB", "HealthyHostCount"], local.target_pairs),
        concat(["AWS/ApplicationELB", "ActiveConnectionCount"], local.load_balancer_pair, [{ stat = "Sum" }]),
      ]
    },
    {
      title = "CPU and memory of the tasks, percent", stat = "Average", region = local.region
      metrics = [
        concat(["AWS/ECS", "CPUUtilization"], local.service_pairs),
        concat(["AWS/ECS", "MemoryUtilization"], local.service_pairs),
      ]
    },
    {
      title = "Kernels that died, errors in the log", stat = "Sum", region = local.region
      metrics = [
        [local.namespace, "KernelDeaths"],
        [local.namespace, "LogErrors"],
      ]
    },
    ],
    var.distribution_id == null ? [] : [{
      title = "CloudFront: requests and 5xx in percent", stat = "Sum", region = "us-east-1" # all of CloudFront's are there
      metrics = [
        ["AWS/CloudFront", "Requests", "DistributionId", var.distribution_id, "Region", "Global"],
        ["AWS/CloudFront", "5xxErrorRate", "DistributionId", var.distribution_id, "Region", "Global", { stat = "Average" }],
      ]
    }],
    var.postgres_identifier == null ? [] : [{
      title = "PostgreSQL: CPU in percent, connections", stat = "Average", region = local.region
      metrics = [
        ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", var.postgres_identifier],
        ["AWS/RDS", "DatabaseConnections", "DBInstanceIdentifier", var.postgres_identifier],
      ]
    }],
    var.valkey_replication_group_id == null ? [] : [{
      title = "Valkey: memory and CPU in percent", stat = "Maximum", region = local.region
      metrics = [
        ["AWS/ElastiCache", "DatabaseMemoryUsagePercentage", "ReplicationGroupId", var.valkey_replication_group_id],
        ["AWS/ElastiCache", "EngineCPUUtilization", "ReplicationGroupId", var.valkey_replication_group_id],
      ]
    }],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name_prefix

  # Two widgets in a row of 24 columns.
  dashboard_body = jsonencode({
    widgets = [for index, widget in local.widgets : {
      type   = "metric"
      x      = index % 2 * 12
      y      = floor(index / 2) * 6
      width  = 12
      height = 6
      properties = {
        title   = widget.title
        region  = widget.region
        view    = "timeSeries"
        stat    = widget.stat
        period  = 300
        metrics = widget.metrics
      }
    }]
  })
}
