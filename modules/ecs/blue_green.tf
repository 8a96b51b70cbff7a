# Blue/green by CodeDeploy: it starts all of the new tasks beside the old ones, on the
# other target group, moves the listener to them, and can move it back. Task
# definition, target group and number of tasks are its own from then on; Terraform
# registers the next definition and says in `appspec` how to deploy it.
resource "aws_ecs_service" "blue_green" {
  count = local.blue_green ? 1 : 0

  name            = var.name_prefix
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.desired_count

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = var.target_health_check.grace_period_seconds
  availability_zone_rebalancing      = "DISABLED" # ECS does it for its own controller only
  wait_for_steady_state              = var.wait_for_steady_state

  enable_execute_command  = var.execute_command
  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"

  deployment_controller {
    type = "CODE_DEPLOY"
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
    ignore_changes = [task_definition, load_balancer, desired_count, capacity_provider_strategy, network_configuration]
  }

  depends_on = [local.before_service]
}

data "aws_iam_policy_document" "assumed_by_codedeploy" {
  count = local.blue_green ? 1 : 0

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["codedeploy.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

# Written out rather than AWS's policy, which is for every service of the account.
data "aws_iam_policy_document" "codedeploy" {
  count = local.blue_green ? 1 : 0

  statement {
    sid     = "ChangeThisService"
    actions = ["ecs:DescribeServices", "ecs:CreateTaskSet", "ecs:UpdateServicePrimaryTaskSet", "ecs:DeleteTaskSet"]
    resources = [
      aws_ecs_service.blue_green[0].id,
      "${replace(aws_ecs_service.blue_green[0].id, ":service/", ":task-set/")}/*",
    ]
  }

  statement {
    sid       = "MoveItsTraffic"
    actions   = ["elasticloadbalancing:ModifyListener", "elasticloadbalancing:ModifyRule"]
    resources = [local.listener.arn, "${replace(local.listener.arn, ":listener/", ":listener-rule/")}/*"]
  }

  statement {
    sid = "LookAtTrafficAndAlarms"
    actions = [
      "elasticloadbalancing:DescribeTargetGroups",
      "elasticloadbalancing:DescribeListeners",
      "elasticloadbalancing:DescribeRules",
      "cloudwatch:DescribeAlarms",
    ]
    # The actions have no resources.
    resources = ["*"]
  }

  statement {
    sid       = "StartTasksWithTheirRoles"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.execution.arn, aws_iam_role.task.arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "codedeploy" {
  count = local.blue_green ? 1 : 0

  name                 = "${var.name_prefix}-codedeploy"
  description          = "Deploys ${var.name_prefix}"
  assume_role_policy   = data.aws_iam_policy_document.assumed_by_codedeploy[0].json
  permissions_boundary = var.permissions_boundary_arn
}

resource "aws_iam_role_policy" "codedeploy" {
  count = local.blue_green ? 1 : 0

  name   = "deploy"
  role   = aws_iam_role.codedeploy[0].id
  policy = data.aws_iam_policy_document.codedeploy[0].json
}

resource "aws_codedeploy_app" "this" {
  count = local.blue_green ? 1 : 0

  name             = var.name_prefix
  compute_platform = "ECS"
}

resource "aws_codedeploy_deployment_group" "this" {
  count = local.blue_green ? 1 : 0

  app_name               = aws_codedeploy_app.this[0].name
  deployment_group_name  = var.name_prefix
  service_role_arn       = aws_iam_role.codedeploy[0].arn
  deployment_config_name = var.deployment.traffic

  auto_rollback_configuration {
    enabled = true
    events  = concat(["DEPLOYMENT_FAILURE"], var.deployment_alarms == null ? [] : ["DEPLOYMENT_STOP_ON_ALARM"])
  }

  dynamic "alarm_configuration" {
    for_each = var.deployment_alarms == null ? [] : [local.deployment_alarm_names]

    content {
      enabled = true
      alarms  = alarm_configuration.value
    }
  }

  blue_green_deployment_config {
    deployment_ready_option {
      action_on_timeout = "CONTINUE_DEPLOYMENT"
    }

    terminate_blue_instances_on_deployment_success {
      action                           = "TERMINATE"
      termination_wait_time_in_minutes = var.deployment.old_tasks_minutes
    }
  }

  deployment_style {
    deployment_option = "WITH_TRAFFIC_CONTROL"
    deployment_type   = "BLUE_GREEN"
  }

  ecs_service {
    cluster_name = aws_ecs_cluster.this.name
    service_name = aws_ecs_service.blue_green[0].name
  }

  load_balancer_info {
    target_group_pair_info {
      prod_traffic_route {
        listener_arns = [local.listener.arn]
      }

      dynamic "target_group" {
        for_each = local.target_groups

        content {
          name = aws_lb_target_group.this[target_group.value].name
        }
      }
    }
  }

  depends_on = [aws_iam_role_policy.codedeploy]
}

# Terraform can't see a deployment that it doesn't do. While a plan is made a service
# that isn't there yet has no definition, which would be a warning in every first plan.
check "the_newest_task_definition_is_deployed" {
  assert {
    condition     = local.blue_green && terraform.applying ? local.service.task_definition == aws_ecs_task_definition.this.arn : true
    error_message = "${aws_ecs_task_definition.this.arn} is registered, and the service runs ${local.service.task_definition}: deploy it with CodeDeploy, by the output appspec."
  }
}
