variable "name_prefix" {
  description = "Start of the secret's name."
  type        = string
  nullable    = false
}

variable "generation" {
  description = "Number of the token, from 1. A higher one makes a new token, and those who hold the old one are locked out."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.generation >= 1 && floor(var.generation) == var.generation
    error_message = "generation must be a whole number from 1: it counts tokens."
  }
}

variable "recovery_window_days" {
  description = "For how many days a deleted secret can be brought back: 0 (not at all) or 7 to 30."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.recovery_window_days == 0 || (var.recovery_window_days >= 7 && var.recovery_window_days <= 30)
    error_message = "recovery_window_days must be 0 or from 7 to 30: Secrets Manager accepts no others."
  }
}
