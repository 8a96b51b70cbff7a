locals {
  autoscaled = var.autoscaling != null
  schedules  = local.autoscaled ? var.autoscaling.schedules : {}

  scalable_target = one(concat(aws_appautoscaling_target.this, aws_appautoscaling_target.scheduled))

  # What the number of tasks follows: a metric of ECS's own, and where to hold it.
  tracked = local.autoscaled ? { for name, aim in {
    cpu      = { metric = "ECSServiceAverageCPUUtilization", value = var.autoscaling.cpu_percent }
    memory   = { metric = "ECSServiceAverageMemoryUtilization", value = var.autoscaling.memory_percent }
    requests = { metric = "ALBRequestCountPerTarget", value = var.autoscaling.requests_per_task }
  } : name => aim if aim.value != null } : {}
}

resource "aws_appautoscaling_target" "this" {
  count = local.autoscaled && length(local.schedules) == 0 ? 1 : 0

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${local.service.name}"
  min_capacity       = var.autoscaling.min
  max_capacity       = var.autoscaling.max
}

# The same where the clock changes the bounds: an apply at night must not wake the
# service. What is ignored can't depend on a variable.
resource "aws_appautoscaling_target" "scheduled" {
  count = local.autoscaled && length(local.schedules) > 0 ? 1 : 0

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${local.service.name}"
  min_capacity       = var.autoscaling.min
  max_capacity       = var.autoscaling.max

  lifecycle {
    ignore_changes = [min_capacity, max_capacity]
  }
}

resource "aws_appautoscaling_policy" "this" {
  for_each = local.tracked

  name               = "${var.name_prefix}-${each.key}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = local.scalable_target.service_namespace
  scalable_dimension = local.scalable_target.scalable_dimension
  resource_id        = local.scalable_target.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = each.value.value
    scale_in_cooldown  = var.autoscaling.scale_in_seconds
    scale_out_cooldown = var.autoscaling.scale_out_seconds

    predefined_metric_specification {
      predefined_metric_type = each.value.metric
      resource_label         = each.key == "requests" ? "${aws_lb.this.arn_suffix}/${aws_lb_target_group.this["blue"].arn_suffix}" : null
    }
  }

  lifecycle {
    precondition {
      condition     = each.key != "requests" || !local.blue_green
      error_message = "autoscaling.requests_per_task goes with deployment.strategy rolling only: requests are counted by target group, and in a blue/green deployment another one takes them over."
    }
  }
}

resource "aws_appautoscaling_scheduled_action" "this" {
  for_each = local.schedules

  name               = "${var.name_prefix}-${each.key}"
  service_namespace  = local.scalable_target.service_namespace
  scalable_dimension = local.scalable_target.scalable_dimension
  resource_id        = local.scalable_target.resource_id
  schedule           = each.value.cron
  timezone           = each.value.timezone

  scalable_target_action {
    min_capacity = each.value.min
    max_capacity = each.value.max
  }
}
