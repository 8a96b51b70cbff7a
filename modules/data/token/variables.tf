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
