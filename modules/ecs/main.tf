locals {
  container_name = "notebook"

  # What Docker grants a container, less what the service needs to give each kernel
  # a user of its own and to end it: SETUID, SETGID, CHOWN and KILL. Named one by one
  # because Fargate adds nothing back after "ALL".
  dropped_capabilities = [
    "AUDIT_WRITE",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETPCAP",
    "SYS_CHROOT",
  ]

  volumes = { for path in var.container.writable_paths : replace(replace(trim(path, "/"), "/", "-"), ".", "_") => path }
}

data "aws_region" "current" {}

resource "aws_ecs_cluster" "this" {
  name = var.name_prefix

  setting {
    name  = "containerInsights"
    value = var.container_insights
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name_prefix}"
  retention_in_days = var.log_retention_days
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name_prefix
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.task_size.cpu
  memory                   = var.task_size.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  dynamic "volume" {
    for_each = local.volumes

    content {
      name = volume.key
    }
  }

  # Without secrets the field is left out: an empty list needn't come back from ECS as
  # one, and then every plan would differ.
  container_definitions = jsonencode([merge(length(var.secrets) == 0 ? null : {
    secrets = [for name in sort(keys(var.secrets)) : { name = name, valueFrom = var.secrets[name] }]
    }, {
    name      = local.container_name
    image     = var.image
    command   = var.container.command
    essential = true

    # Root in name, to give each kernel another user; see dropped_capabilities.
    user                   = "0"
    readonlyRootFilesystem = !var.execute_command

    linuxParameters = {
      # Kernels' children may be left behind; somebody must reap them.
      initProcessEnabled = true
      capabilities       = { drop = local.dropped_capabilities }
    }

    portMappings = [{
      name          = "http"
      containerPort = var.container.port
      hostPort      = var.container.port
      protocol      = "tcp"
      appProtocol   = "http"
    }]

    environment = [for name in sort(keys(var.environment)) : { name = name, value = var.environment[name] }]

    mountPoints = [for name in sort(keys(local.volumes)) : {
      sourceVolume  = name
      containerPath = local.volumes[name]
      readOnly      = false
    }]

    healthCheck = {
      command     = var.container.health_check.command
      interval    = var.container.health_check.interval_seconds
      timeout     = var.container.health_check.timeout_seconds
      retries     = var.container.health_check.retries
      startPeriod = var.container.health_check.start_period_seconds
    }

    stopTimeout = var.timeouts.stop

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = data.aws_region.current.name
        awslogs-stream-prefix = "ecs"
        # A notebook that can't log must still run.
        mode            = "non-blocking"
        max-buffer-size = "10m"
      }
    }
  })])
}

resource "aws_ecs_service" "this" {
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

  dynamic "capacity_provider_strategy" {
    for_each = { for name, strategy in {
      FARGATE      = { base = var.capacity.on_demand_base, weight = var.capacity.on_demand_weight }
      FARGATE_SPOT = { base = 0, weight = var.capacity.spot_weight }
    } : name => strategy if strategy.weight > 0 }

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
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = local.container_name
    container_port   = var.container.port
  }

  lifecycle {
    # ECS's circuit breaker goes back to the last good definition and is content.
    # An apply that ended so must not be.
    postcondition {
      condition     = self.task_definition == aws_ecs_task_definition.this.arn
      error_message = "The service runs ${self.task_definition} instead of ${aws_ecs_task_definition.this.arn}: its tasks didn't become healthy and ECS rolled the deployment back. Their reasons are in the service's events and in the log group ${aws_cloudwatch_log_group.this.name}."
    }
  }

  depends_on = [
    # A target group takes targets only behind a listener.
    aws_lb_listener.http,
    aws_ecs_cluster_capacity_providers.this,
    # Tasks start with these, and when the service goes they must go last, or its
    # tasks hang in their stop.
    aws_iam_role_policy.execution,
    aws_iam_role_policy.task,
    aws_iam_role_policy.task_exec,
    aws_vpc_security_group_ingress_rule.task_from_load_balancer,
    aws_vpc_security_group_egress_rule.task_to_anywhere,
  ]
}
