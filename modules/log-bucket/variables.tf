variable "name" {
  description = "Start of the bucket's name; the account's number follows. Lower-case letters, digits and hyphens, 3 to 50 characters."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,48}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 50 lower-case letters, digits and hyphens, with a letter or digit at both ends: with the account's number it makes the bucket's name, which allows 63 of these."
  }
}

variable "writers" {
  description = <<-EOT
    Services of AWS that write logs here, below AWSLogs/ and this account's number, by a name of one's choice. `service`:
    its principal, such as delivery.logs.amazonaws.com. `source_arns`: on whose behalf, as ARNs or patterns of them; empty
    where the service names nobody ([]).
  EOT
  type = map(object({
    service     = string
    source_arns = optional(list(string), [])
  }))
  nullable = false

  validation {
    condition     = length(var.writers) > 0 && alltrue([for name in keys(var.writers) : can(regex("^[A-Za-z0-9]+$", name))])
    error_message = "writers must hold at least one service, under a name of letters and digits: it becomes the id of a statement of the bucket's policy."
  }

  validation {
    condition     = alltrue([for writer in values(var.writers) : can(regex("^[a-z0-9.-]+\\.amazonaws\\.com$", writer.service))])
    error_message = "writers.service must be a principal of AWS's, such as delivery.logs.amazonaws.com: nobody else writes logs here."
  }
}

variable "retention_days" {
  description = "For how many days logs are kept, 1 to 3653."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 3653 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days must be a whole number from 1 to 3653: S3 counts in whole days, and logs hold people's addresses, which are not kept for ever."
  }
}

variable "force_destroy" {
  description = "Whether the bucket can be destroyed with logs in it."
  type        = bool
  default     = false
  nullable    = false
}
