variable "name_prefix" {
  description = "Start of every name, so that many copies share an account. Lower-case letters, digits and hyphens, 2 to 32 characters."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must have 2 to 32 lower-case letters, digits and hyphens, start with a letter and not end with a hyphen: with the account's number it makes the bucket's name, which allows 63 of these."
  }
}

variable "api_origin" {
  description = <<-EOT
    Where `/api/*` and `/health` go: an internal application load balancer, reached over a VPC origin.
    `load_balancer_arn`: its ARN. `domain_name`: its DNS name. `http_port`: port of its HTTP listener (80).
    `read_timeout_seconds`: how long CloudFront waits for the origin's next byte, 1 to 120 (60); on a WebSocket, too, so
    it must be longer than the service's ping interval. `keepalive_timeout_seconds`: how long an idle connection to the
    origin is kept, 1 to 60 (30).
  EOT
  type = object({
    load_balancer_arn         = string
    domain_name               = string
    http_port                 = optional(number, 80)
    read_timeout_seconds      = optional(number, 60)
    keepalive_timeout_seconds = optional(number, 30)
  })
  nullable = false

  validation {
    condition     = can(regex("^arn:[^:]+:elasticloadbalancing:[^:]+:[0-9]{12}:loadbalancer/app/", var.api_origin.load_balancer_arn))
    error_message = "api_origin.load_balancer_arn must be the ARN of an application load balancer (arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/…): WebSockets and stickiness need one."
  }

  validation {
    condition     = var.api_origin.read_timeout_seconds >= 1 && var.api_origin.read_timeout_seconds <= 120 && floor(var.api_origin.read_timeout_seconds) == var.api_origin.read_timeout_seconds
    error_message = "api_origin.read_timeout_seconds must be a whole number from 1 to 120: CloudFront allows an origin no more."
  }

  validation {
    condition     = var.api_origin.keepalive_timeout_seconds >= 1 && var.api_origin.keepalive_timeout_seconds <= 60 && floor(var.api_origin.keepalive_timeout_seconds) == var.api_origin.keepalive_timeout_seconds
    error_message = "api_origin.keepalive_timeout_seconds must be a whole number from 1 to 60: CloudFront keeps an idle connection no longer."
  }

  validation {
    condition     = var.api_origin.http_port == 80 || var.api_origin.http_port == 443 || (var.api_origin.http_port >= 1024 && var.api_origin.http_port <= 65535)
    error_message = "api_origin.http_port must be 80, 443 or from 1024 to 65535: CloudFront connects to no other port of an origin."
  }
}

variable "content_security_policy" {
  description = "Content-Security-Policy of every answer. The service sends the same; where both do, the distribution's stands."
  type        = string
  default     = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; frame-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
  nullable    = false

  validation {
    condition     = can(regex("default-src ", var.content_security_policy)) && !can(regex("script-src[^;]*'unsafe-(inline|eval)'", var.content_security_policy))
    error_message = "content_security_policy must have a default-src and must not allow 'unsafe-inline' or 'unsafe-eval' to scripts: a notebook shows HTML from untrusted data, and either would let it run as the user."
  }
}

variable "hsts_max_age_seconds" {
  description = "For how many seconds browsers insist on HTTPS (Strict-Transport-Security). 31536000 is a year."
  type        = number
  default     = 31536000
  nullable    = false

  validation {
    condition     = var.hsts_max_age_seconds >= 0 && var.hsts_max_age_seconds <= 2147483647 && floor(var.hsts_max_age_seconds) == var.hsts_max_age_seconds
    error_message = "hsts_max_age_seconds must be a whole number from 0 to 2147483647: CloudFront holds it in 32 bits."
  }
}

variable "price_class" {
  description = "From where CloudFront serves: PriceClass_100 (Europe, North America, Israel), PriceClass_200 (and Asia, Middle East, Africa) or PriceClass_All."
  type        = string
  default     = "PriceClass_100"
  nullable    = false

  validation {
    condition     = contains(["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.price_class)
    error_message = "price_class must be PriceClass_100, PriceClass_200 or PriceClass_All."
  }
}

variable "noncurrent_version_days" {
  description = "For how many days an overwritten or deleted file of the page can be brought back, 1 to 365."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.noncurrent_version_days >= 1 && var.noncurrent_version_days <= 365 && floor(var.noncurrent_version_days) == var.noncurrent_version_days
    error_message = "noncurrent_version_days must be a whole number of days from 1 to 365: S3's lifecycle counts whole days from 1, and every deploy leaves a copy that is paid for."
  }
}

variable "force_destroy" {
  description = "Whether the bucket can be destroyed while the page is in it."
  type        = bool
  default     = false
  nullable    = false
}

variable "wait_for_deployment" {
  description = "Whether an apply waits until every edge location has the change, which takes minutes."
  type        = bool
  default     = true
  nullable    = false
}
