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
    The load balancer. `subnet_ids`: subnets in at least two zones; private ones if internal, public ones if public.
    `exposure`: "internal" (no public address; CloudFront's VPC origin calls its HTTP listener) or "public" (HTTPS listener
    that takes CloudFront's addresses and the origin secret only; for what can't have VPC origins) ("internal"). `port`:
    of the listener; null for 80 if internal, 443 if public (null). `deletion_protection`: whether it refuses to be
    destroyed (false). `https`: for a public one, what its certificate is for: `domain_name`, the name that CloudFront
    calls it by; `zone_id`, the Route 53 zone in which that name and the certificate's proof are made; or
    `certificate_arn`, a certificate of one's own in this region, and then the name is one's own affair, too;
    `ssl_policy`, which protocols and ciphers it speaks (TLS 1.2 and 1.3). `access_logs`: a bucket with what was asked for
    by whom; null for none; `retention_days` (90), `force_destroy`, whether the bucket may go with logs in it (false).
  EOT
  type = object({
    subnet_ids          = list(string)
    exposure            = optional(string, "internal")
    port                = optional(number)
    deletion_protection = optional(bool, false)
    https = optional(object({
      domain_name     = string
      zone_id         = optional(string)
      certificate_arn = optional(string)
      ssl_policy      = optional(string, "ELBSecurityPolicy-TLS13-1-2-2021-06")
    }))
    access_logs = optional(object({
      retention_days = optional(number, 90)
      force_destroy  = optional(bool, false)
    }))
  })
  nullable = false

  validation {
    condition     = length(var.load_balancer.subnet_ids) >= 2
    error_message = "load_balancer.subnet_ids must hold subnets in at least two availability zones: an application load balancer is made with no fewer."
  }

  validation {
    condition     = contains(["internal", "public"], var.load_balancer.exposure)
    error_message = "load_balancer.exposure must be \"internal\" or \"public\"."
  }

  validation {
    condition     = var.load_balancer.port == null || contains([80, 443], coalesce(var.load_balancer.port, 80)) || (coalesce(var.load_balancer.port, 80) >= 1024 && coalesce(var.load_balancer.port, 80) <= 65535)
    error_message = "load_balancer.port must be 80, 443 or from 1024 to 65535: CloudFront connects to no other port of an origin."
  }

  validation {
    condition     = (var.load_balancer.exposure == "public") == (var.load_balancer.https != null)
    error_message = "load_balancer.https must be set for a public load balancer and for no other: what crosses the internet is encrypted, while an internal one is reached inside of AWS's network over HTTP, as no public certificate can be had for its name."
  }

  validation {
    condition     = var.load_balancer.https == null || (try(var.load_balancer.https.zone_id, null) == null) != (try(var.load_balancer.https.certificate_arn, null) == null)
    error_message = "load_balancer.https must have either zone_id, in which the certificate is proved and the name is made, or certificate_arn, a certificate that there is already."
  }

  validation {
    condition     = try(var.load_balancer.https.certificate_arn, null) == null || can(regex("^arn:[^:]+:acm:[^:]+:[0-9]{12}:certificate/.+$", var.load_balancer.https.certificate_arn))
    error_message = "load_balancer.https.certificate_arn must be the ARN of a certificate of ACM (arn:aws:acm:REGION:ACCOUNT:certificate/ID), in the load balancer's region: its listener takes no other."
  }

  validation {
    condition     = var.load_balancer.https == null || can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.load_balancer.https.domain_name))
    error_message = "load_balancer.https.domain_name must be a whole host name in lower case, such as origin.notebooks.example.com: CloudFront checks the certificate against it."
  }

  validation {
    condition     = var.load_balancer.https == null || can(regex("^ELBSecurityPolicy-TLS13-1-[23]-", var.load_balancer.https.ssl_policy))
    error_message = "load_balancer.https.ssl_policy must be one of those that begin with ELBSecurityPolicy-TLS13-1-2- or ELBSecurityPolicy-TLS13-1-3-: older protocols are broken, and CloudFront needs none of them."
  }

  validation {
    condition     = try(var.load_balancer.access_logs.retention_days, 90) >= 1 && try(var.load_balancer.access_logs.retention_days, 90) <= 3653 && floor(try(var.load_balancer.access_logs.retention_days, 90)) == try(var.load_balancer.access_logs.retention_days, 90)
    error_message = "load_balancer.access_logs.retention_days must be a whole number from 1 to 3653: S3 counts in whole days, and logs hold people's addresses, which are not kept for ever."
  }
}

variable "origin_secret" {
  description = <<-EOT
    For a public load balancer, what proves that a request came through one's own distribution: the prefix list lets in all
    of CloudFront, anybody's. `header`: name of the header (X-Origin-Verify), `value`: 32 to 128 letters, digits, hyphens
    and underscores, the same as the distribution sends. A listener rule and a distribution have no write-only argument:
    unlike every other secret it is in the state, and everybody who may describe them reads it.
  EOT
  type = object({
    header = optional(string, "X-Origin-Verify")
    value  = string
  })
  default   = null
  sensitive = true

  validation {
    condition     = (var.load_balancer.exposure == "public") == (var.origin_secret != null)
    error_message = "origin_secret must be set for a public load balancer and for no other: without it anybody's CloudFront distribution is let in, and an internal one is reached by this account's VPC origin alone."
  }

  validation {
    condition     = var.origin_secret == null || can(regex("^[A-Za-z0-9_-]{32,128}$", var.origin_secret.value))
    error_message = "origin_secret.value must have 32 to 128 letters, digits, hyphens and underscores: a listener rule compares up to 128 characters and takes * and ? for wildcards."
  }

  validation {
    condition     = var.origin_secret == null || can(regex("^[A-Za-z0-9-]{1,40}$", var.origin_secret.header)) && !can(regex("(?i)^(x-amz|x-edge|host$|cookie$|authorization$)", var.origin_secret.header))
    error_message = "origin_secret.header must have 1 to 40 letters, digits and hyphens and be none of Host, Cookie, Authorization, X-Amz-* or X-Edge-*: a listener rule takes no longer one, and CloudFront lets a distribution set no such header."
  }
}

variable "task_network" {
  description = <<-EOT
    Where tasks run. `subnet_ids`: their subnets. `assign_public_ip`: true only where the subnets reach the internet by an
    internet gateway rather than by NAT (false); the security group is closed to all but the load balancer either way.
    `ipv6`: whether tasks may reach the internet by IPv6, where their subnets have it (false).
  EOT
  type = object({
    subnet_ids       = list(string)
    assign_public_ip = optional(bool, false)
    ipv6             = optional(bool, false)
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
  description = "Environment variables of the container, by name; SHUTDOWN_GRACE is set by the module. What is secret belongs in `secrets`: everybody who may describe a task definition reads these."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = !contains(keys(var.environment), "SHUTDOWN_GRACE")
    error_message = "environment must not hold SHUTDOWN_GRACE: it is timeouts.shutdown_grace, which is checked against the times of load balancer and ECS."
  }
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
  description = "How many tasks run, 0 to 5000. With `autoscaling`, how many run at first; from then on their number is not Terraform's."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.desired_count >= 0 && var.desired_count <= 5000 && floor(var.desired_count) == var.desired_count
    error_message = "desired_count must be a whole number from 0 to 5000: ECS runs no more tasks in a service."
  }

  validation {
    condition     = var.autoscaling == null || (var.desired_count >= try(var.autoscaling.min, 0) && var.desired_count <= try(var.autoscaling.max, 5000))
    error_message = "desired_count must be from autoscaling.min to autoscaling.max: a number outside of them would be changed as soon as it is set."
  }
}

variable "autoscaling" {
  description = <<-EOT
    Lets the number of tasks follow the load, or the clock; null for `desired_count` tasks always. `min` and `max`: tasks,
    0 to 5000. `cpu_percent` and `memory_percent`: mean use of the tasks that is aimed at, 1 to 100; null not to look at it
    (null). `requests_per_task`: requests a minute and task that are aimed at; null not to look at them (null).
    `scale_in_seconds` and `scale_out_seconds`: how long a change is left alone before the next, 0 to 3600 (600 and 60).
    `schedules`: by name, when the bounds change: `cron`, six fields in AWS's form, such as "cron(0 20 ? * MON-FRI *)";
    `timezone`, such as Europe/London (Etc/UTC); `min` and `max` from then on. Nothing runs from a schedule with both 0 until
    another one raises them: notebooks are kept, and their page says that the service is away.
  EOT
  type = object({
    min               = number
    max               = number
    cpu_percent       = optional(number)
    memory_percent    = optional(number)
    requests_per_task = optional(number)
    scale_in_seconds  = optional(number, 600)
    scale_out_seconds = optional(number, 60)
    schedules = optional(map(object({
      cron     = string
      timezone = optional(string, "Etc/UTC")
      min      = number
      max      = number
    })), {})
  })
  default = null

  validation {
    condition = alltrue([for bounds in var.autoscaling == null ? [] : concat([{ min = var.autoscaling.min, max = var.autoscaling.max }], [for s in values(var.autoscaling.schedules) : { min = s.min, max = s.max }]) :
      bounds.min >= 0 && bounds.min <= bounds.max && bounds.max <= 5000 && floor(bounds.min) == bounds.min && floor(bounds.max) == bounds.max
    ])
    error_message = "autoscaling.min and .max, its schedules' too, must be whole numbers with 0 <= min <= max <= 5000: ECS runs no more tasks in a service."
  }

  validation {
    condition     = var.autoscaling == null || length(compact([try(var.autoscaling.cpu_percent, null), try(var.autoscaling.memory_percent, null), try(var.autoscaling.requests_per_task, null)])) + length(try(var.autoscaling.schedules, {})) > 0
    error_message = "autoscaling must have cpu_percent, memory_percent, requests_per_task or schedules: without any of them the number of tasks would follow nothing. Leave it null for desired_count tasks."
  }

  validation {
    condition     = alltrue([for percent in compact([try(var.autoscaling.cpu_percent, null), try(var.autoscaling.memory_percent, null)]) : tonumber(percent) >= 1 && tonumber(percent) <= 100])
    error_message = "autoscaling.cpu_percent and .memory_percent must be from 1 to 100: they are a share of what the tasks have."
  }

  validation {
    condition     = try(var.autoscaling.requests_per_task, null) == null || try(var.autoscaling.requests_per_task > 0, false)
    error_message = "autoscaling.requests_per_task must be above 0: no number of tasks brings each of them to no requests."
  }

  validation {
    condition     = alltrue([for s in compact([try(var.autoscaling.scale_in_seconds, null), try(var.autoscaling.scale_out_seconds, null)]) : tonumber(s) >= 0 && tonumber(s) <= 3600])
    error_message = "autoscaling.scale_in_seconds and .scale_out_seconds must be from 0 to 3600: with a longer rest the number of tasks would follow nothing."
  }

  validation {
    condition     = alltrue([for s in values(try(var.autoscaling.schedules, {})) : can(regex("^cron\\(([^ ()]+ ){5}[^ ()]+\\)$", s.cron)) && can(regex("^[A-Za-z_]+(/[A-Za-z0-9_+-]+)+$", s.timezone))])
    error_message = "autoscaling.schedules must have a cron of six fields (minutes, hours, day of month, month, day of week, year), such as \"cron(0 20 ? * MON-FRI *)\", and a timezone of the tz database, such as Europe/London: Application Auto Scaling reads no others."
  }

  validation {
    condition = var.autoscaling == null || length(try(var.autoscaling.schedules, {})) == 0 || (
      anytrue([for s in values(try(var.autoscaling.schedules, {})) : s.max > 0])
    )
    error_message = "autoscaling.schedules must hold one with max above 0: with all at 0 the first would end the service for ever."
  }
}

variable "deployment_alarms" {
  description = <<-EOT
    Alarms that end a deployment and roll it back while it runs; null for none. `target_5xx_per_minute`: how many answers
    with a 5xx of the tasks in a minute, two minutes in a row, are too many; null for no such alarm (null). `names`: alarms of
    one's own in this region ([]). What never becomes healthy is rolled back without them, too.
  EOT
  type = object({
    target_5xx_per_minute = optional(number)
    names                 = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.deployment_alarms == null || try(var.deployment_alarms.target_5xx_per_minute, null) != null || length(try(var.deployment_alarms.names, [])) > 0
    error_message = "deployment_alarms must have target_5xx_per_minute or names: ECS takes no list of alarms without one. Leave it null for none."
  }

  validation {
    condition     = try(var.deployment_alarms.target_5xx_per_minute, null) == null || try(var.deployment_alarms.target_5xx_per_minute >= 1, false)
    error_message = "deployment_alarms.target_5xx_per_minute must be at least 1: at 0 the alarm would ring without an answer that failed."
  }

  validation {
    condition     = alltrue([for name in try(var.deployment_alarms.names, []) : length(name) >= 1 && length(name) <= 255 && !startswith(name, "arn:")])
    error_message = "deployment_alarms.names must hold names of alarms, not ARNs: ECS finds them by name in its own region."
  }
}

variable "deployment" {
  description = <<-EOT
    How a new task definition comes to run. `strategy`: "rolling" (ECS replaces tasks one by one, in the apply, and the apply
    fails where that is rolled back) or "blue_green" (CodeDeploy starts all new tasks beside the old ones and moves the
    traffic to them; the apply registers the task definition only, and a deployment with the module's output `appspec`
    brings it about) ("rolling"). For blue_green: `traffic`, how it moves: one of CodeDeploy's configurations for ECS
    (CodeDeployDefault.ECSAllAtOnce); `old_tasks_minutes`: how long the old tasks stay for a way back, 0 to 2880 (10).
  EOT
  type = object({
    strategy          = optional(string, "rolling")
    traffic           = optional(string, "CodeDeployDefault.ECSAllAtOnce")
    old_tasks_minutes = optional(number, 10)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["rolling", "blue_green"], var.deployment.strategy)
    error_message = "deployment.strategy must be \"rolling\" or \"blue_green\"."
  }

  validation {
    condition     = can(regex("^(CodeDeployDefault\\.ECS(AllAtOnce|(Linear|Canary)10Percent[A-Za-z0-9]+)|[A-Za-z0-9+=,.@_-]{1,100})$", var.deployment.traffic)) && (!startswith(var.deployment.traffic, "CodeDeployDefault.") || startswith(var.deployment.traffic, "CodeDeployDefault.ECS"))
    error_message = "deployment.traffic must be one of CodeDeploy's configurations for ECS, such as CodeDeployDefault.ECSCanary10Percent5Minutes, or the name of one's own: those of servers and Lambda move no target group's traffic."
  }

  validation {
    condition     = var.deployment.old_tasks_minutes >= 0 && var.deployment.old_tasks_minutes <= 2880 && floor(var.deployment.old_tasks_minutes) == var.deployment.old_tasks_minutes
    error_message = "deployment.old_tasks_minutes must be a whole number from 0 to 2880: CodeDeploy keeps old tasks for two days at most."
  }
}

variable "wait_for_steady_state" {
  description = "Whether an apply waits until the wanted tasks run and are healthy, and fails where the deployment was rolled back."
  type        = bool
  default     = true
  nullable    = false
}

variable "execute_command" {
  description = "Whether operators may open a shell in a running task (ECS Exec); what they type is logged. Its agent must write, so that the root file system is read-only only without it."
  type        = bool
  default     = false
  nullable    = false
}

variable "timeouts" {
  description = <<-EOT
    One chain of times, in seconds. `ping`: how often the service sends something on an idle WebSocket (25).
    `origin_read`: how long CloudFront waits for the origin's next byte (60). `idle`: how long the load balancer keeps a
    silent connection (4000). `shutdown_grace`: how long the service lets requests end after it was told to stop; it is
    given to the container as SHUTDOWN_GRACE (25).
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

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the logs and operators' shells; its policy must let CloudWatch Logs of this region use it. Null for AWS's own key, which costs nothing."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (arn:aws:kms:REGION:ACCOUNT:key/ID), not an alias: CloudWatch Logs accepts no alias."
  }
}

variable "secrets_kms_key_arns" {
  description = "ARNs of the KMS keys that the secrets in `secrets` are encrypted with, for the execution role to decrypt them; empty where it is Secrets Manager's own."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.secrets_kms_key_arns : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", arn))])
    error_message = "secrets_kms_key_arns must hold ARNs of keys (arn:aws:kms:REGION:ACCOUNT:key/ID): a policy on an alias allows nothing."
  }
}
