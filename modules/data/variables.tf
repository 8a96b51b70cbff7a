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
