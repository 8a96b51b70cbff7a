variable "name_prefix" {
  description = "Start of every name, so that many copies share an account. Lower-case letters, digits and hyphens, 2 to 32 characters."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must have 2 to 32 lower-case letters, digits and hyphens, start with a letter and not end with a hyphen: the other modules' names, which are watched here, allow no more."
  }
}

variable "service" {
  description = "What is watched: `cluster_name`, `service_name`, `log_group_name`, `load_balancer_arn` and `target_group_arn`, as the module ecs puts them out."
  type = object({
    cluster_name      = string
    service_name      = string
    log_group_name    = string
    load_balancer_arn = string
    target_group_arn  = string
  })
  nullable = false

  validation {
    condition     = can(regex(":loadbalancer/(app/[^/]+/[^/]+)$", var.service.load_balancer_arn)) && can(regex(":(targetgroup/[^/]+/[^/]+)$", var.service.target_group_arn))
    error_message = "service.load_balancer_arn and service.target_group_arn must be ARNs of an application load balancer and a target group: metrics are named by the ends of these."
  }
}

variable "distribution_id" {
  description = "Id of the CloudFront distribution, for the dashboard; null for none. CloudFront's metrics are in us-east-1, where an alarm here can't look."
  type        = string
  default     = null
}

variable "postgres_identifier" {
  description = "Identifier of the RDS instance that is watched, too; null for none."
  type        = string
  default     = null
}

variable "valkey_replication_group_id" {
  description = "Id of the ElastiCache replication group that is watched, too; null for none."
  type        = string
  default     = null
}

variable "alarms" {
  description = <<-EOT
    What an alarm is raised at; 0 for no such alarm. In five minutes: `errors_5xx` answers with a 5xx (5),
    `kernel_deaths` kernels that died (3), `log_errors` other log entries of level ERROR (1). Over fifteen minutes:
    `latency_p99_seconds`, what 1 % of the requests took longer than (5); `cpu_percent` (85) and `memory_percent` (85), the
    service's average. `no_healthy_task`: true raises one when no task has been healthy for three minutes; false where
    the service is scaled to zero on purpose (true). `postgres_cpu_percent` (85), `postgres_free_storage_gib`, what must
    be free (5), `valkey_memory_percent` (80): over fifteen minutes, where there is one.
  EOT
  type = object({
    errors_5xx                = optional(number, 5)
    latency_p99_seconds       = optional(number, 5)
    cpu_percent               = optional(number, 85)
    memory_percent            = optional(number, 85)
    no_healthy_task           = optional(bool, true)
    kernel_deaths             = optional(number, 3)
    log_errors                = optional(number, 1)
    postgres_cpu_percent      = optional(number, 85)
    postgres_free_storage_gib = optional(number, 5)
    valkey_memory_percent     = optional(number, 80)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for value in [var.alarms.cpu_percent, var.alarms.memory_percent, var.alarms.postgres_cpu_percent, var.alarms.valkey_memory_percent] : value >= 0 && value <= 100])
    error_message = "alarms in percent must be from 0, for none, to 100: more than the whole is never used."
  }

  validation {
    condition     = alltrue([for value in [var.alarms.errors_5xx, var.alarms.latency_p99_seconds, var.alarms.kernel_deaths, var.alarms.log_errors, var.alarms.postgres_free_storage_gib] : value >= 0])
    error_message = "alarms on counts, seconds and GiB must not be below 0, which is for none: nothing is counted below it."
  }
}

variable "emails" {
  description = "Addresses that alarms and the budget are mailed to. Each gets a mail from AWS first and must confirm."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+\\.[^@[:space:]]+$", email))])
    error_message = "emails must hold addresses of the form NAME@DOMAIN."
  }
}

variable "budget" {
  description = <<-EOT
    A monthly budget; null for none. `monthly_usd`: its limit in US dollars. `tags`: what counts, by cost allocation tags
    that have been activated in the account's billing; empty for the whole account. Mail goes out when 80 % are spent and
    when the month is forecast to end above the limit.
  EOT
  type = object({
    monthly_usd = number
    tags        = optional(map(string), {})
  })
  default = null

  validation {
    condition     = var.budget == null || try(var.budget.monthly_usd >= 1, false)
    error_message = "budget.monthly_usd must be at least 1: a budget of nothing is always exceeded."
  }
}
