variable "name_prefix" {
  description = "Start of every name, so that many copies share an account. Lower-case letters, digits and hyphens, 2 to 32 characters."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must have 2 to 32 lower-case letters, digits and hyphens, start with a letter and not end with a hyphen: with the account's number it makes the bucket's name, which allows 63 of these."
  }
}

variable "bucket" {
  description = <<-EOT
    The bucket that notebooks last in. `prefix`: the start of their keys, without a slash at either end (notebooks).
    `noncurrent_version_days`: for how many days an overwritten or deleted notebook can be brought back, 1 to 365 (30);
    every save leaves a version that is paid for until then. `force_destroy`: whether the bucket can be destroyed while
    notebooks are in it, and they with it (false).
  EOT
  type = object({
    prefix                  = optional(string, "notebooks")
    noncurrent_version_days = optional(number, 30)
    force_destroy           = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = length(var.bucket.prefix) <= 200 && can(regex("^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$", var.bucket.prefix))
    error_message = "bucket.prefix must be a plain path of at most 200 letters, digits, periods, hyphens and underscores, with single slashes between its parts: it is written into the permissions of the service, where other signs have meanings."
  }

  validation {
    condition     = var.bucket.noncurrent_version_days >= 1 && var.bucket.noncurrent_version_days <= 365 && floor(var.bucket.noncurrent_version_days) == var.bucket.noncurrent_version_days
    error_message = "bucket.noncurrent_version_days must be a whole number of days from 1 to 365: S3's lifecycle counts whole days from 1, and every save leaves a copy that is paid for."
  }
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts what is stored; null for S3's own keys (AES-256), which cost nothing. The key's policy must let this account's policies give access to it."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/[^*?]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (arn:aws:kms:REGION:ACCOUNT:key/ID), not an alias: permissions are given on the key itself."
  }
}

variable "network" {
  description = <<-EOT
    Where database and cache stand; needed with `postgres` or `valkey`. `vpc_id`: their VPC. `subnet_ids`: private subnets
    in at least two zones. `client_security_group_ids`: who may connect, security groups by a name of one's choice.
  EOT
  type = object({
    vpc_id                    = string
    subnet_ids                = list(string)
    client_security_group_ids = map(string)
  })
  default = null

  validation {
    condition     = var.network == null || try(length(var.network.subnet_ids) >= 2, false)
    error_message = "network.subnet_ids must hold subnets in at least two availability zones: RDS makes no instance in fewer, not even where it runs in one."
  }

  validation {
    condition     = (var.postgres == null && var.valkey == null) || var.network != null
    error_message = "network must be given with postgres or valkey: both stand in subnets and are reached from security groups."
  }
}

variable "postgres" {
  description = <<-EOT
    A PostgreSQL database; null for none. `engine_version`: 16 or above, MAJOR or MAJOR.MINOR (17; minor upgrades come by
    themselves). `instance_class` (db.t4g.micro). `storage_gib`: size of the disk at first, 20 to 65536 (20), and
    `max_storage_gib`: what it may grow to by itself (100). `multi_az`: a standby in another zone (true). `backup_days`:
    for how many days one can go back to any second, 1 to 35 (14). `deletion_protection`: whether it refuses to be
    destroyed (true). `final_snapshot`: whether a destroy leaves a snapshot (true). `apply_immediately`: whether changes
    that restart it are made at once rather than on Sunday night, 02:30 UTC (false). `database`, `username` (notebook).
    `password_generation`: number of the password, from 1; a higher one makes a new password. `log_retention_days` (30).
  EOT
  type = object({
    engine_version      = optional(string, "17")
    instance_class      = optional(string, "db.t4g.micro")
    storage_gib         = optional(number, 20)
    max_storage_gib     = optional(number, 100)
    multi_az            = optional(bool, true)
    backup_days         = optional(number, 14)
    deletion_protection = optional(bool, true)
    final_snapshot      = optional(bool, true)
    apply_immediately   = optional(bool, false)
    database            = optional(string, "notebook")
    username            = optional(string, "notebook")
    password_generation = optional(number, 1)
    log_retention_days  = optional(number, 30)
  })
  default = null

  validation {
    condition     = var.postgres == null || try(can(regex("^[0-9]{2}(\\.[0-9]+)?$", var.postgres.engine_version)) && tonumber(split(".", var.postgres.engine_version)[0]) >= 16, false)
    error_message = "postgres.engine_version must be MAJOR or MAJOR.MINOR, from 16: older ones don't demand TLS by themselves and reach the end of their support soon."
  }

  validation {
    condition     = var.postgres == null || can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.postgres.instance_class))
    error_message = "postgres.instance_class must be a class of RDS, such as db.t4g.micro."
  }

  validation {
    condition     = var.postgres == null || try(var.postgres.storage_gib >= 20 && var.postgres.max_storage_gib >= ceil(var.postgres.storage_gib * 1.1) && var.postgres.max_storage_gib <= 65536, false)
    error_message = "postgres.storage_gib must be at least 20, and max_storage_gib at least a tenth above it and at most 65536: gp3 has no smaller disks, and RDS grows a disk by no less than that."
  }

  validation {
    condition     = var.postgres == null || try(var.postgres.backup_days >= 1 && var.postgres.backup_days <= 35 && floor(var.postgres.backup_days) == var.postgres.backup_days, false)
    error_message = "postgres.backup_days must be a whole number of days from 1 to 35: RDS keeps automated backups no longer, and 0 would keep none."
  }

  validation {
    condition     = var.postgres == null || try(alltrue([for name in [var.postgres.database, var.postgres.username] : can(regex("^[a-z][a-z0-9_]{0,62}$", name)) && !contains(["admin", "postgres", "rdsadmin", "user"], name)]), false)
    error_message = "postgres.database and postgres.username must have 1 to 63 lower-case letters, digits and underscores, start with a letter, and be none of admin, postgres, rdsadmin and user, which RDS or PostgreSQL keep for themselves."
  }

  validation {
    condition     = var.postgres == null || try(var.postgres.password_generation >= 1 && floor(var.postgres.password_generation) == var.postgres.password_generation, false)
    error_message = "postgres.password_generation must be a whole number from 1: it counts passwords."
  }

  validation {
    condition     = var.postgres == null || try(contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.postgres.log_retention_days), false)
    error_message = "postgres.log_retention_days must be one of CloudWatch's numbers (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731 and on to 3653): it knows no others, and for ever is not kept by accident."
  }

  validation {
    condition     = (var.postgres == null && var.valkey == null) || !strcontains(var.name_prefix, "--")
    error_message = "name_prefix must not hold two hyphens in a row with postgres or valkey: neither RDS nor ElastiCache takes such a name."
  }
}

variable "postgres_password" {
  description = "The database's password, an ephemeral value such as that of the submodule `password`; needed with `postgres`. It is taken when postgres.password_generation is raised."
  type        = string
  default     = null
  ephemeral   = true

  validation {
    condition     = var.postgres == null || try(can(regex("^[A-Za-z0-9]{16,128}$", var.postgres_password)), false)
    error_message = "postgres_password must be given with postgres, as 16 to 128 letters and digits: RDS takes no more, and some other signs mean something in an address."
  }
}

variable "valkey" {
  description = <<-EOT
    A Valkey replication group; null for none. `engine_version`: 8.0 or above (8.0). `node_type` (cache.t4g.micro).
    `nodes`: 1 to 6; from 2 on, the next takes over when the first fails (2). `snapshot_days`: for how many days a daily
    snapshot is kept, 0 to 35 (1). `key_prefix`: what the service's keys and channels start with, before a colon
    (notebook). `apply_immediately`: whether changes are made at once rather than on Sunday night, 02:30 UTC (false).
  EOT
  type = object({
    engine_version    = optional(string, "8.0")
    node_type         = optional(string, "cache.t4g.micro")
    nodes             = optional(number, 2)
    snapshot_days     = optional(number, 1)
    key_prefix        = optional(string, "notebook")
    apply_immediately = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.valkey == null || try(can(regex("^[0-9]{1,2}\\.[0-9]{1,2}$", var.valkey.engine_version)) && tonumber(split(".", var.valkey.engine_version)[0]) >= 8, false)
    error_message = "valkey.engine_version must be MAJOR.MINOR, from 8.0, such as 8.0."
  }

  validation {
    condition     = var.valkey == null || can(regex("^cache\\.[a-z0-9]+\\.[a-z0-9]+$", var.valkey.node_type))
    error_message = "valkey.node_type must be a type of ElastiCache, such as cache.t4g.micro."
  }

  validation {
    condition     = var.valkey == null || try(var.valkey.nodes >= 1 && var.valkey.nodes <= 6 && floor(var.valkey.nodes) == var.valkey.nodes, false)
    error_message = "valkey.nodes must be a whole number from 1 to 6: a primary and at most five replicas."
  }

  validation {
    condition     = var.valkey == null || try(var.valkey.snapshot_days >= 0 && var.valkey.snapshot_days <= 35 && floor(var.valkey.snapshot_days) == var.valkey.snapshot_days, false)
    error_message = "valkey.snapshot_days must be a whole number of days from 0 to 35: ElastiCache keeps automatic snapshots no longer."
  }

  validation {
    condition     = var.valkey == null || can(regex("^[a-z0-9][a-z0-9_-]{0,31}$", var.valkey.key_prefix))
    error_message = "valkey.key_prefix must have 1 to 32 lower-case letters, digits, hyphens and underscores: it is written into the user's permissions, where other signs have meanings."
  }
}
