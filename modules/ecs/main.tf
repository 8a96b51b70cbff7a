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

  # What the service must know of the chain of times.
  environment = merge(var.environment, { SHUTDOWN_GRACE = "${var.timeouts.shutdown_grace}s" })

  volumes = { for path in var.container.writable_paths : replace(replace(trim(path, "/"), "/", "-"), ".", "_") => path }
}

data "aws_region" "current" {}

resource "aws_ecs_cluster" "this" {
  name = var.name_prefix

  setting {
    name  = "containerInsights"
    value = var.container_insights
  }

  # What operators type into a shell is kept.
  dynamic "configuration" {
    for_each = aws_cloudwatch_log_group.exec

    content {
      execute_command_configuration {
        kms_key_id = var.kms_key_arn
        logging    = "OVERRIDE"

        log_configuration {
          cloud_watch_log_group_name     = configuration.value.name
          cloud_watch_encryption_enabled = var.kms_key_arn != null
        }
      }
    }
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name_prefix}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_cloudwatch_log_group" "exec" {
  count = var.execute_command ? 1 : 0

  name              = "/ecs/${var.name_prefix}/exec"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
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

    environment = [for name in sort(keys(local.environment)) : { name = name, value = local.environment[name] }]

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
