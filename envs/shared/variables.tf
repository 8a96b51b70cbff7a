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

variable "name_prefix" {
  description = "Name of the image repository, and start of every other name here."
  type        = string
  default     = "reactive-notebook"
  nullable    = false
}

variable "environments" {
  description = "Names of the environments that CI works on; each has a workspace NAME_PREFIX-ENVIRONMENT in HCP Terraform and an environment of its own name in GitHub."
  type        = set(string)
  default     = ["dev", "production"]
  nullable    = false
}

variable "hcp_organization" {
  description = "HCP Terraform organization whose runs get roles; null for no such roles."
  type        = string
  default     = null
}

variable "github_repository" {
  description = "GitHub repository, OWNER/NAME, whose jobs get roles; null for no such roles."
  type        = string
  default     = null
}
