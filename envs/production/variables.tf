variable "region" {
  description = "AWS region: eu-north-1 is Stockholm, eu-west-2 is London. Nothing else names one."
  type        = string
  default     = "eu-north-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the code of an AWS region, such as eu-north-1 (Stockholm) or eu-west-2 (London)."
  }
}

variable "environment" {
  description = "Name of the environment, as tags and the service's ENVIRONMENT carry it."
  type        = string
  default     = "production"
  nullable    = false
}

variable "name_prefix" {
  description = "Start of every name; another one makes another copy in the same account."
  type        = string
  default     = "reactive-notebook-production"
  nullable    = false
}

variable "image" {
  description = "The image to run, by digest: REPOSITORY@sha256:DIGEST. `stack` and CI pass it; it is in no file, so that a plan never brings back an old one."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/:-]*@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image must be named by digest (REPOSITORY@sha256: and 64 hexadecimal digits): a tag can come to mean another image between a plan and a task's start."
  }
}

variable "token_generation" {
  description = "Number of the notebooks' token, from 1. Raise it to make a new one and lock out who holds the old one; running tasks take it up when they are next started."
  type        = number
  default     = 1
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "ARN of the policy that bounds the roles made here, as `envs/shared` puts it out; HCP Terraform's apply role can make no role without it. Null for none."
  type        = string
  default     = null
}

variable "protect" {
  description = "Whether what is here refuses to be destroyed: the database, the load balancer, and buckets with something in them. Apply with false first to take the environment down."
  type        = bool
  default     = true
  nullable    = false
}

variable "nat" {
  description = "How the tasks reach the internet: \"per_az\", or \"single\", which is cheaper, but one zone's outage cuts off the notebooks in all."
  type        = string
  default     = "per_az"
  nullable    = false

  validation {
    condition     = contains(["single", "per_az"], var.nat)
    error_message = "nat must be \"single\" or \"per_az\": the tasks are in private subnets, and fetch images and secrets through it."
  }
}

variable "tasks" {
  description = <<-EOT
    How many tasks serve: `min`, and with a higher `max` as many as their CPU and memory ask for. One, today: tasks share the
    notebooks in PostgreSQL, but not yet what happens in an open one, so that two people in one notebook on two tasks would
    have a kernel each and see each other's changes only on reload. While one task serves, ECS replaces it within a minute
    or two when it or its zone fails, and deployments overlap.
  EOT
  type        = object({ min = number, max = number })
  default     = { min = 1, max = 1 }
  nullable    = false

  validation {
    condition     = var.tasks.min >= 1 && var.tasks.min <= var.tasks.max && var.tasks.max <= 5000 && floor(var.tasks.min) == var.tasks.min && floor(var.tasks.max) == var.tasks.max
    error_message = "tasks.min and tasks.max must be whole numbers with 1 <= min <= max <= 5000: production doesn't go to sleep, and ECS runs no more tasks in a service."
  }

  validation {
    condition     = var.postgres != null || var.tasks.max <= 1
    error_message = "tasks.max must be 1 where postgres is null: only the database lets tasks share the notebooks."
  }
}

variable "task_size" {
  description = "Size of a task: `cpu` in 1/1024 of a vCPU, `memory` in MiB, as Fargate pairs them. Each open notebook has a kernel that may use 1 GiB."
  type        = object({ cpu = number, memory = number })
  default     = { cpu = 1024, memory = 4096 }
  nullable    = false
}

variable "postgres" {
  description = "The database that notebooks last in: `instance_class`, `multi_az` (true), `password_generation` (1; raise it for a new password), `apply_immediately`, whether changes that restart it are made at once rather than on Sunday night, 02:30 UTC (false). Null keeps them in the bucket instead, which is cheaper and no less durable, for one task."
  type = object({
    instance_class      = optional(string, "db.t4g.small")
    multi_az            = optional(bool, true)
    password_generation = optional(number, 1)
    apply_immediately   = optional(bool, false)
  })
  default = {}
}

variable "valkey" {
  description = "Whether there is a Valkey replication group, for events between tasks. Off, because the service does not speak to one yet: it would be paid for nothing."
  type        = bool
  default     = false
  nullable    = false
}

variable "emails" {
  description = "Addresses that alarms and the budget are mailed to; each must confirm AWS's first mail."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "monthly_budget_usd" {
  description = "Spending of the whole account, in US dollars a month, that mail is sent about."
  type        = number
  default     = 300
  nullable    = false
}

variable "domain" {
  description = "The page's own name: `name`, such as notebooks.example.com; `aliases`, more of them; `zone_id`, the Route 53 zone in which they and the certificate's proof are made, or `certificate_arn`, a certificate in us-east-1. Null for CloudFront's name."
  type = object({
    name            = string
    aliases         = optional(set(string), [])
    zone_id         = optional(string)
    certificate_arn = optional(string)
  })
  default = null
}
