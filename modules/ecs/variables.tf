variable "name_prefix" {
  description = "Start of every name, so that many copies share an account. Lower-case letters, digits and hyphens, 2 to 32 characters."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must have 2 to 32 lower-case letters, digits and hyphens, start with a letter and not end with a hyphen: it is the load balancer's name, which allows no more."
  }

  validation {
    condition     = !startswith(var.name_prefix, "internal-")
    error_message = "name_prefix must not start with \"internal-\": AWS keeps that start of a load balancer's name for itself."
  }
}

variable "vpc_id" {
  description = "Id of the VPC of load balancer and tasks."
  type        = string
  nullable    = false
}

variable "load_balancer" {
  description = <<-EOT
    The internal load balancer. `subnet_ids`: subnets in at least two zones; private ones, as nobody but CloudFront's
    VPC origin calls it. `port`: of its HTTP listener (80). `deletion_protection`: whether it refuses to be destroyed
    (false).
  EOT
  type = object({
    subnet_ids          = list(string)
    port                = optional(number, 80)
    deletion_protection = optional(bool, false)
  })
  nullable = false

  validation {
    condition     = length(var.load_balancer.subnet_ids) >= 2
    error_message = "load_balancer.subnet_ids must hold subnets in at least two availability zones: an application load balancer is made with no fewer."
  }

  validation {
    condition     = var.load_balancer.port == 80 || (var.load_balancer.port >= 1024 && var.load_balancer.port <= 65535)
    error_message = "load_balancer.port must be 80 or from 1024 to 65535: CloudFront connects to no other port of an HTTP origin."
  }
}

variable "task_network" {
  description = <<-EOT
    Where tasks run. `subnet_ids`: their subnets. `assign_public_ip`: true only where the subnets reach the internet by an
    internet gateway rather than by NAT (false); the security group is closed to all but the load balancer either way.
  EOT
  type = object({
    subnet_ids       = list(string)
    assign_public_ip = optional(bool, false)
  })
  nullable = false

  validation {
    condition     = length(var.task_network.subnet_ids) >= 1
    error_message = "task_network.subnet_ids must hold at least one subnet: a task has its network interface in one."
  }
}

variable "image" {
  description = "The image to run, by digest: REPOSITORY@sha256:DIGEST. From ECR, the execution role may pull from exactly that repository."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:-]*@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image must be named by digest (REPOSITORY@sha256: and 64 hexadecimal digits): a tag can come to mean another image between a plan and a task's start."
  }
}

variable "container" {
  description = <<-EOT
    The container. `command`: arguments of the image's entry point (["serve"]). `port`: TCP port that it listens on (8000).
    `writable_paths`: absolute paths that get a volume of the task's own, empty at its start and gone at its end; with a
    read-only root file system nothing else can be written. `health_check`: `command` in ECS's form, `interval_seconds`
    5 to 300 (10), `timeout_seconds` 2 to 60 (5), `retries` 1 to 10 (3), `start_period_seconds` 0 to 300 (30), during which
    failures don't count.
  EOT
  type = object({
    command        = optional(list(string), ["serve"])
    port           = optional(number, 8000)
    writable_paths = optional(list(string), ["/var/lib/notebook/data", "/tmp"])
    health_check = optional(object({
      command              = optional(list(string), ["CMD", "/usr/local/bin/notebook", "healthcheck"])
      interval_seconds     = optional(number, 10)
      timeout_seconds      = optional(number, 5)
      retries              = optional(number, 3)
      start_period_seconds = optional(number, 30)
    }), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.container.port >= 1024 && var.container.port <= 65535
    error_message = "container.port must be from 1024 to 65535: the container has no capability to bind lower ports."
  }

  validation {
    condition     = alltrue([for path in var.container.writable_paths : can(regex("^/[A-Za-z0-9._/-]*[A-Za-z0-9]$", path))])
    error_message = "container.writable_paths must be absolute, without a slash at the end, of letters, digits, periods, hyphens, underscores and slashes: the volumes' names are made from them."
  }

  validation {
    condition     = contains(["CMD", "CMD-SHELL"], try(var.container.health_check.command[0], ""))
    error_message = "container.health_check.command must start with CMD or CMD-SHELL: ECS takes no other form."
  }

  validation {
    condition = (
      var.container.health_check.interval_seconds >= 5 && var.container.health_check.interval_seconds <= 300 &&
      var.container.health_check.timeout_seconds >= 2 && var.container.health_check.timeout_seconds <= 60 &&
      var.container.health_check.retries >= 1 && var.container.health_check.retries <= 10 &&
      var.container.health_check.start_period_seconds >= 0 && var.container.health_check.start_period_seconds <= 300
    )
    error_message = "container.health_check must have interval_seconds from 5 to 300, timeout_seconds from 2 to 60, retries from 1 to 10 and start_period_seconds from 0 to 300: ECS accepts no others."
  }
}

variable "environment" {
  description = "Environment variables of the container, by name. What is secret belongs in `secrets`: everybody who may describe a task definition reads these."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "secrets" {
  description = "Environment variables of the container whose values are secrets: ARNs of Secrets Manager by the variable's name. The execution role may read exactly these."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for arn in values(var.secrets) : can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:[^:*?]+$", arn))])
    error_message = "secrets must hold whole ARNs of secrets (arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME), without wildcards: the role that starts the tasks may read exactly what is named here."
  }

  validation {
    condition     = length(setintersection(keys(var.secrets), keys(var.environment))) == 0
    error_message = "A name must not be both in environment and in secrets: ECS refuses a container with two values for one variable."
  }
}

variable "task_policies" {
  description = <<-EOT
    What the service itself may do in AWS: policy documents (JSON) by a name of one's choice, for the task's role; nothing
    without one. Allowed actions are written out, and so are the beginnings of the resources that they are allowed on.
  EOT
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.task_policies) : can(regex("^[A-Za-z0-9_+=,.@-]{1,128}$", name)) && name != "execute-command"])
    error_message = "task_policies must be named by 1 to 128 letters, digits and _+=,.@-, and not \"execute-command\": they are the names of the role's policies, and that one is ECS Exec's."
  }

  validation {
    condition     = alltrue([for policy in values(var.task_policies) : try(length(flatten([jsondecode(policy).Statement])) > 0, false)])
    error_message = "task_policies must hold policy documents in JSON with at least one statement: IAM accepts no others."
  }

  validation {
    condition = alltrue(flatten([for policy in values(var.task_policies) : [
      for statement in try(flatten([jsondecode(policy).Statement]), []) : try(statement.Effect, "Allow") == "Deny" || (
        alltrue([for action in flatten([try(statement.Action, "*")]) : !can(regex("[*?]", action))]) &&
        alltrue([for resource in flatten([try(statement.Resource, "*")]) : can(regex("^arn:[^:*?]+:[^:*?]+:[^:*?]*:[^:*?]*:[^*?]", resource))])
      )
    ]]))
    error_message = "task_policies must allow actions without wildcards on resources by their ARNs: whoever breaks out of a cell into the service has what is allowed here. Give actions that have no resources to the role by its output task_role_name, where they are seen."
  }
}

variable "task_size" {
  description = "Size of a task: `cpu` in units of 1/1024 vCPU, `memory` in MiB. Fargate has fixed pairs."
  type = object({
    cpu    = optional(number, 512)
    memory = optional(number, 1024)
  })
  default  = {}
  nullable = false

  validation {
    condition = contains(lookup({
      "256"   = [512, 1024, 2048]
      "512"   = range(1024, 4097, 1024)
      "1024"  = range(2048, 8193, 1024)
      "2048"  = range(4096, 16385, 1024)
      "4096"  = range(8192, 30721, 1024)
      "8192"  = range(16384, 61441, 4096)
      "16384" = range(32768, 122881, 8192)
    }, tostring(var.task_size.cpu), []), var.task_size.memory)
    error_message = "task_size must be one of Fargate's pairs: cpu 256 with 512, 1024 or 2048 MiB; 512 with 1 to 4 GiB; 1024 with 2 to 8; 2048 with 4 to 16; 4096 with 8 to 30, each in steps of 1 GiB; 8192 with 16 to 60 in steps of 4; 16384 with 32 to 120 in steps of 8."
  }
}

variable "cpu_architecture" {
  description = "ARM64 or X86_64; the image must be built for it. ARM64 costs a fifth less."
  type        = string
  default     = "ARM64"
  nullable    = false

  validation {
    condition     = contains(["ARM64", "X86_64"], var.cpu_architecture)
    error_message = "cpu_architecture must be ARM64 or X86_64: Fargate has no other."
  }
}

variable "capacity" {
  description = <<-EOT
    How tasks are shared out between Fargate and Fargate Spot, which costs about a third and can be taken back with two
    minutes' notice. `on_demand_base`: how many tasks come first on Fargate (0). `on_demand_weight` and `spot_weight`: the
    shares of the rest (1 and 0).
  EOT
  type = object({
    on_demand_base   = optional(number, 0)
    on_demand_weight = optional(number, 1)
    spot_weight      = optional(number, 0)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.capacity.on_demand_weight + var.capacity.spot_weight > 0 && min(var.capacity.on_demand_weight, var.capacity.spot_weight, var.capacity.on_demand_base) >= 0
    error_message = "capacity must have a weight above 0 and nothing below: with weights of 0 ECS places no task."
  }

  validation {
    condition     = var.capacity.on_demand_base == 0 || var.capacity.on_demand_weight > 0
    error_message = "capacity.on_demand_base needs an on_demand_weight above 0: ECS places no task with a provider whose weight is 0."
  }
}

variable "desired_count" {
  description = "How many tasks run, 0 to 5000."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.desired_count >= 0 && var.desired_count <= 5000 && floor(var.desired_count) == var.desired_count
    error_message = "desired_count must be a whole number from 0 to 5000: ECS runs no more tasks in a service."
  }
}

variable "wait_for_steady_state" {
  description = "Whether an apply waits until the wanted tasks run and are healthy, and fails where the deployment was rolled back."
  type        = bool
  default     = true
  nullable    = false
}

variable "execute_command" {
  description = "Whether operators may open a shell in a running task (ECS Exec). Its agent must write, so that the root file system is read-only only without it."
  type        = bool
  default     = false
  nullable    = false
}

variable "timeouts" {
  description = <<-EOT
    One chain of times, in seconds. `ping`: how often the service sends something on an idle WebSocket (25).
    `origin_read`: how long CloudFront waits for the origin's next byte (60). `idle`: how long the load balancer keeps a
    silent connection (4000). `shutdown_grace`: how long the service lets requests end after it was told to stop (25).
    `deregistration`: how long the load balancer lets them end when a task leaves (30). `stop`: how long ECS waits between
    telling a container to stop and killing it (40).
  EOT
  type = object({
    ping           = optional(number, 25)
    origin_read    = optional(number, 60)
    idle           = optional(number, 4000)
    shutdown_grace = optional(number, 25)
    deregistration = optional(number, 30)
    stop           = optional(number, 40)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.timeouts.ping > 0 && var.timeouts.ping < var.timeouts.origin_read
    error_message = "timeouts.ping must be above 0 and below timeouts.origin_read: CloudFront drops a WebSocket on which the origin is silent for as long as that."
  }

  validation {
    condition     = var.timeouts.origin_read <= 120
    error_message = "timeouts.origin_read must be at most 120 seconds: CloudFront waits no longer for an origin."
  }

  validation {
    condition     = var.timeouts.origin_read <= var.timeouts.idle && var.timeouts.idle <= 4000
    error_message = "timeouts.idle must be at least timeouts.origin_read and at most 4000 seconds: the load balancer must not hang up first, and allows no more."
  }

  validation {
    condition     = var.timeouts.shutdown_grace < var.timeouts.stop && var.timeouts.stop <= 120
    error_message = "timeouts.stop must be above timeouts.shutdown_grace and at most 120 seconds: a container is killed when it ends, and Fargate allows no more."
  }

  validation {
    condition     = var.timeouts.deregistration >= var.timeouts.shutdown_grace && var.timeouts.deregistration <= 3600
    error_message = "timeouts.deregistration must be at least timeouts.shutdown_grace and at most 3600 seconds: the load balancer cuts what is still open when it ends, and must give requests as long as the service does."
  }
}

variable "target_health_check" {
  description = <<-EOT
    How the load balancer finds out whether a task can serve. `path`: what it gets (/health). `interval_seconds` 5 to 300
    (10), `timeout_seconds` 2 to 120 (5) and below the interval, `healthy_threshold` and `unhealthy_threshold` 2 to 10 (2
    and 3) answers in a row. `grace_period_seconds`: for how long after a task's start a failure doesn't stop it (60).
  EOT
  type = object({
    path                 = optional(string, "/health")
    interval_seconds     = optional(number, 10)
    timeout_seconds      = optional(number, 5)
    healthy_threshold    = optional(number, 2)
    unhealthy_threshold  = optional(number, 3)
    grace_period_seconds = optional(number, 60)
  })
  default  = {}
  nullable = false

  validation {
    condition     = startswith(var.target_health_check.path, "/")
    error_message = "target_health_check.path must start with a slash: it is a path of the service."
  }

  validation {
    condition = (
      var.target_health_check.interval_seconds >= 5 && var.target_health_check.interval_seconds <= 300 &&
      var.target_health_check.timeout_seconds >= 2 && var.target_health_check.timeout_seconds < var.target_health_check.interval_seconds &&
      min(var.target_health_check.healthy_threshold, var.target_health_check.unhealthy_threshold) >= 2 &&
      max(var.target_health_check.healthy_threshold, var.target_health_check.unhealthy_threshold) <= 10
    )
    error_message = "target_health_check must have interval_seconds from 5 to 300, timeout_seconds from 2 to below the interval, and thresholds from 2 to 10: the load balancer accepts no others."
  }
}

variable "log_retention_days" {
  description = "For how many days logs are kept; one of CloudWatch's numbers."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653: CloudWatch knows no others, and for ever is not kept by accident."
  }
}

variable "container_insights" {
  description = "Metrics of cluster, service and tasks: \"enhanced\" (of each container, too), \"enabled\" or \"disabled\"."
  type        = string
  default     = "enabled"
  nullable    = false

  validation {
    condition     = contains(["enhanced", "enabled", "disabled"], var.container_insights)
    error_message = "container_insights must be \"enhanced\", \"enabled\" or \"disabled\"."
  }
}

variable "permissions_boundary_arn" {
  description = "ARN of the policy that bounds the roles made here; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[^:]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of a policy (arn:aws:iam::ACCOUNT:policy/NAME) or null."
  }
}
