# The service, in three forms of which one exists: what Terraform ignores can't depend
# on a variable, and each ignores something else. All of what they have in common is
# in these locals. Another form on a standing service would be another service, and an
# outage, unless the caller moves the state along; README.md says how.
locals {
  blue_green = var.deployment.strategy == "blue_green"

  service = one(concat(aws_ecs_service.this, aws_ecs_service.autoscaled, aws_ecs_service.blue_green))

  capacity_strategy = { for name, strategy in {
    FARGATE      = { base = var.capacity.on_demand_base, weight = var.capacity.on_demand_weight }
    FARGATE_SPOT = { base = 0, weight = var.capacity.spot_weight }
  } : name => strategy if strategy.weight > 0 }

  deployment_alarm_names = var.deployment_alarms == null ? [] : concat(aws_cloudwatch_metric_alarm.deployment_5xx[*].alarm_name, var.deployment_alarms.names)

  # What must stand before tasks start, and when the service goes must go last, or its
  # tasks hang in their stop.
  before_service = [
    # A target group takes targets only behind a listener.
    aws_lb_listener.http,
    aws_lb_listener.http_blue_green,
    aws_lb_listener_rule.origin_secret,
    aws_lb_listener_rule.origin_secret_blue_green,
    aws_ecs_cluster_capacity_providers.this,
    aws_iam_role_policy.execution,
    aws_iam_role_policy.task,
    aws_iam_role_policy.task_exec,
    aws_vpc_security_group_ingress_rule.task_from_load_balancer,
    aws_vpc_security_group_egress_rule.task_to_anywhere,
    aws_vpc_security_group_egress_rule.task_to_anywhere_ipv6,
  ]

  # ECS's circuit breaker goes back to the last good definition and is content. An
  # apply that ended so must not be.
  rolled_back = "instead of ${aws_ecs_task_definition.this.arn}: its tasks didn't become healthy, or an alarm rang, and ECS rolled the deployment back. The reasons are in the service's events and in the log group ${aws_cloudwatch_log_group.this.name}."
}

# Always `desired_count` tasks.
resource "aws_ecs_service" "this" {
  count = local.blue_green || local.autoscaled ? 0 : 1

  name            = var.name_prefix
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.desired_count

  # The new tasks are healthy before the old ones go.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = var.target_health_check.grace_period_seconds
  availability_zone_rebalancing      = "ENABLED"
  wait_for_steady_state              = var.wait_for_steady_state

  enable_execute_command  = var.execute_command
  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"

  # Another capacity strategy is a deployment; without this it would be another
  # service, and an outage.
  force_new_deployment = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  deployment_controller {
    type = "ECS"
  }

  dynamic "alarms" {
    for_each = var.deployment_alarms == null ? [] : [local.deployment_alarm_names]

    content {
      enable      = true
      rollback    = true
      alarm_names = alarms.value
    }
  }

  dynamic "capacity_provider_strategy" {
    for_each = local.capacity_strategy

    content {
      capacity_provider = capacity_provider_strategy.key
      base              = capacity_provider_strategy.value.base
      weight            = capacity_provider_strategy.value.weight
    }
  }

  network_configuration {
    subnets          = var.task_network.subnet_ids
    security_groups  = [aws_security_group.task.id]
    assign_public_ip = var.task_network.assign_public_ip
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this["blue"].arn
    container_name   = local.container_name
    container_port   = var.container.port
  }

  lifecycle {
    postcondition {
      condition     = self.task_definition == aws_ecs_task_definition.this.arn
      error_message = "The service runs ${self.task_definition} ${local.rolled_back}"
    }
  }

  depends_on = [local.before_service]
}

# As many tasks as Application Auto Scaling says.
resource "aws_ecs_service" "autoscaled" {
  count = !local.blue_green && local.autoscaled ? 1 : 0

  name            = var.name_prefix
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.desired_count

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = var.target_health_check.grace_period_seconds
  availability_zone_rebalancing      = "ENABLED"
  wait_for_steady_state              = var.wait_for_steady_state

  enable_execute_command  = var.execute_command
  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"
  force_new_deployment    = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  deployment_controller {
    type = "ECS"
  }

  dynamic "alarms" {
    for_each = var.deployment_alarms == null ? [] : [local.deployment_alarm_names]

    content {
      enable      = true
      rollback    = true
      alarm_names = alarms.value
    }
  }

  dynamic "capacity_provider_strategy" {
    for_each = local.capacity_strategy

    content {
      capacity_provider = capacity_provider_strategy.key
      base              = capacity_provider_strategy.value.base
      weight            = capacity_provider_strategy.value.weight
    }
  }

  network_configuration {
    subnets          = var.task_network.subnet_ids
    security_groups  = [aws_security_group.task.id]
    assign_public_ip = var.task_network.assign_public_ip
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this["blue"].arn
    container_name   = local.container_name
    container_port   = var.container.port
  }

  lifecycle {
    ignore_changes = [desired_count]

    postcondition {
      condition     = self.task_definition == aws_ecs_task_definition.this.arn
      error_message = "The service runs ${self.task_definition} ${local.rolled_back}"
    }
  }

  depends_on = [local.before_service]
}

# The tasks' own errors; those of the load balancer itself (no healthy task) end a
# deployment by its health checks already.
resource "aws_cloudwatch_metric_alarm" "deployment_5xx" {
  count = try(var.deployment_alarms.target_5xx_per_minute, null) == null ? 0 : 1

  alarm_name          = "${var.name_prefix}-deployment-5xx"
  alarm_description   = "Tasks of ${var.name_prefix} answer with errors: a deployment that is under way is rolled back."
  namespace           = "AWS/ApplicationELB"
  metric_name         = "HTTPCode_Target_5XX_Count"
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 2
  threshold           = var.deployment_alarms.target_5xx_per_minute
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching" # no errors, no numbers

  # The whole load balancer: of two target groups one cannot know which is the new one.
  dimensions = { LoadBalancer = aws_lb.this.arn_suffix }
}
