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
  default     = "dev"
  nullable    = false
}

variable "name_prefix" {
  description = "Start of every name; another one makes another copy in the same account."
  type        = string
  default     = "reactive-notebook-dev"
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
