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
