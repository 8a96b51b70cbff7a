variable "name" {
  description = "Name of the repository. 2 to 256 lower-case letters, digits, and single separators (hyphen, underscore, period, slash) between them."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.name) >= 2 && length(var.name) <= 256 && can(regex("^[a-z0-9]+([._/-][a-z0-9]+)*$", var.name))
    error_message = "name must have 2 to 256 lower-case letters and digits, with single hyphens, underscores, periods or slashes between them: ECR accepts no other repository name."
  }
}

variable "retention" {
  description = "What is kept: `tagged_images`, how many of the newest tagged images (1 to 1000); `untagged_days`, how many days an image without a tag stays (1 to 365)."
  type = object({
    tagged_images = optional(number, 50)
    untagged_days = optional(number, 7)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.retention.tagged_images >= 1 && var.retention.tagged_images <= 1000 && floor(var.retention.tagged_images) == var.retention.tagged_images
    error_message = "retention.tagged_images must be a whole number from 1 to 1000: ECR's lifecycle rules count in whole images, and an image that runs must be there for the next task that starts."
  }

  validation {
    condition     = var.retention.untagged_days >= 1 && var.retention.untagged_days <= 365 && floor(var.retention.untagged_days) == var.retention.untagged_days
    error_message = "retention.untagged_days must be a whole number of days from 1 to 365: ECR's lifecycle rules count in whole days, from 1."
  }
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the images; null for ECR's own key (AES-256), which costs nothing. It can't be changed on a standing repository."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (arn:aws:kms:REGION:ACCOUNT:key/ID), not an alias: ECR stores the key itself."
  }
}

variable "pull_principal_arns" {
  description = "ARNs of identities outside of this account that may pull, such as another account's root. Those of this account need no entry: their own policies suffice."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.pull_principal_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:(root|role/.+|user/.+)$", arn))])
    error_message = "pull_principal_arns must hold ARNs of an account's root, a role or a user (arn:aws:iam::ACCOUNT:root): anything wider would open the repository to strangers."
  }
}

variable "force_delete" {
  description = "Whether the repository can be destroyed while images are in it. False protects what runs."
  type        = bool
  default     = false
  nullable    = false
}
