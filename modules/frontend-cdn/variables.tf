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
    Where `/api/*` and `/health` go: an application load balancer. `exposure`: "internal" (reached over a VPC origin) or
    "public" (over HTTPS, with the origin secret) ("internal"). `load_balancer_arn`: its ARN; needed if internal.
    `domain_name`: its DNS name if internal; if public the name of its certificate. `http_port`: port of an internal one's
    listener (80). `https_port`: of a public one's (443). `read_timeout_seconds`: how long CloudFront waits for the origin's
    next byte, 1 to 120 (60); on a WebSocket, too, so it must be longer than the service's ping interval.
    `keepalive_timeout_seconds`: how long an idle connection to the origin is kept, 1 to 60 (30).
  EOT
  type = object({
    exposure                  = optional(string, "internal")
    load_balancer_arn         = optional(string)
    domain_name               = string
    http_port                 = optional(number, 80)
    https_port                = optional(number, 443)
    read_timeout_seconds      = optional(number, 60)
    keepalive_timeout_seconds = optional(number, 30)
  })
  nullable = false

  validation {
    condition     = contains(["internal", "public"], var.api_origin.exposure)
    error_message = "api_origin.exposure must be \"internal\" or \"public\"."
  }

  validation {
    condition     = var.api_origin.exposure == "public" || can(regex("^arn:[^:]+:elasticloadbalancing:[^:]+:[0-9]{12}:loadbalancer/app/", var.api_origin.load_balancer_arn))
    error_message = "api_origin.load_balancer_arn must be the ARN of an application load balancer (arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/…) unless the origin is public: a VPC origin is made to it, and WebSockets and stickiness need this kind."
  }

  validation {
    condition     = var.api_origin.exposure == "internal" || !endswith(var.api_origin.domain_name, ".amazonaws.com")
    error_message = "api_origin.domain_name of a public origin must be the name of its certificate, not the load balancer's own: CloudFront checks one against the other, and nobody gets a certificate for amazonaws.com."
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
    condition     = alltrue([for port in [var.api_origin.http_port, var.api_origin.https_port] : contains([80, 443], port) || (port >= 1024 && port <= 65535)])
    error_message = "api_origin.http_port and .https_port must be 80, 443 or from 1024 to 65535: CloudFront connects to no other port of an origin."
  }
}

variable "origin_secret" {
  description = "For a public origin, the header that proves to it that a request came through this distribution: `header`, its name (X-Origin-Verify), and `value`, 32 to 128 letters, digits, hyphens and underscores. It is in the state: a distribution has no write-only argument."
  type = object({
    header = optional(string, "X-Origin-Verify")
    value  = string
  })
  default   = null
  sensitive = true

  validation {
    condition     = (var.api_origin.exposure == "public") == (var.origin_secret != null)
    error_message = "origin_secret must be set for a public origin and for no other: a public load balancer knows this distribution from anybody's by it, and an internal one needs none."
  }

  validation {
    condition     = var.origin_secret == null || can(regex("^[A-Za-z0-9_-]{32,128}$", var.origin_secret.value))
    error_message = "origin_secret.value must have 32 to 128 letters, digits, hyphens and underscores: a listener rule compares up to 128 characters and takes * and ? for wildcards."
  }

  validation {
    condition     = var.origin_secret == null || can(regex("^[A-Za-z0-9-]{1,40}$", var.origin_secret.header)) && !can(regex("(?i)^(x-amz|x-edge|host$|cookie$|authorization$)", var.origin_secret.header))
    error_message = "origin_secret.header must have 1 to 40 letters, digits and hyphens and be none of Host, Cookie, Authorization, X-Amz-* or X-Edge-*: a listener rule takes no longer one, and CloudFront lets a distribution set no such header."
  }
}

variable "domain" {
  description = <<-EOT
    Names of the page's own; null for the distribution's. `name`: the main one, such as notebooks.example.com. `aliases`:
    more of them ([]). `zone_id`: the Route 53 zone in which the names and the certificate's proof are made; or
    `certificate_arn`: a certificate of one's own in us-east-1 for all of them, and then the names are one's own affair, too.
  EOT
  type = object({
    name            = string
    aliases         = optional(set(string), [])
    zone_id         = optional(string)
    certificate_arn = optional(string)
  })
  default = null

  validation {
    condition     = var.domain == null || alltrue([for name in concat(try([var.domain.name], []), try(tolist(var.domain.aliases), [])) : can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", name))])
    error_message = "domain.name and .aliases must be whole host names in lower case without wildcards, such as notebooks.example.com: each becomes a record, and the first the page's address."
  }

  validation {
    condition     = var.domain == null || !contains(try(var.domain.aliases, []), try(var.domain.name, ""))
    error_message = "domain.aliases must not hold domain.name: one name has one record."
  }

  validation {
    condition     = var.domain == null || (try(var.domain.zone_id, null) == null) != (try(var.domain.certificate_arn, null) == null)
    error_message = "domain must have either zone_id, in which the certificate is proved and the names are made, or certificate_arn, a certificate that there is already."
  }

  validation {
    condition     = try(var.domain.certificate_arn, null) == null || can(regex("^arn:[^:]+:acm:us-east-1:[0-9]{12}:certificate/.+$", var.domain.certificate_arn))
    error_message = "domain.certificate_arn must be the ARN of a certificate of ACM in us-east-1: CloudFront takes certificates from no other region."
  }
}

variable "waf" {
  description = <<-EOT
    A web application firewall before everything; null for none. `requests_per_5_minutes`: how many one address may make,
    10 to 2000000000 (5000). `managed_rule_groups`: AWS's, in the order in which they look ([AWSManagedRulesAmazonIpReputationList,
    AWSManagedRulesCommonRuleSet, AWSManagedRulesKnownBadInputsRuleSet]); those of their rules that look into bodies only
    count, as cells are programs. `log_retention_days`: for how many days what it blocked or counted is kept, in us-east-1;
    0 for no log (30).
  EOT
  type = object({
    requests_per_5_minutes = optional(number, 5000)
    managed_rule_groups    = optional(list(string), ["AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"])
    log_retention_days     = optional(number, 30)
  })
  default = null

  validation {
    condition     = try(var.waf.requests_per_5_minutes, 10) >= 10 && try(var.waf.requests_per_5_minutes, 10) <= 2000000000 && floor(try(var.waf.requests_per_5_minutes, 10)) == try(var.waf.requests_per_5_minutes, 10)
    error_message = "waf.requests_per_5_minutes must be a whole number from 10 to 2000000000: AWS WAF counts in no others."
  }

  validation {
    condition     = length(setsubtract(try(var.waf.managed_rule_groups, []), ["AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesAnonymousIpList", "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet", "AWSManagedRulesLinuxRuleSet", "AWSManagedRulesSQLiRuleSet", "AWSManagedRulesUnixRuleSet"])) == 0
    error_message = "waf.managed_rule_groups must be of AWSManagedRulesAmazonIpReputationList, AWSManagedRulesAnonymousIpList, AWSManagedRulesCommonRuleSet, AWSManagedRulesKnownBadInputsRuleSet, AWSManagedRulesLinuxRuleSet, AWSManagedRulesSQLiRuleSet and AWSManagedRulesUnixRuleSet: of another it isn't known which of its rules would block cells."
  }

  validation {
    condition     = length(distinct(try(var.waf.managed_rule_groups, []))) == length(try(var.waf.managed_rule_groups, []))
    error_message = "waf.managed_rule_groups must hold each group once: a firewall has one rule of a name."
  }

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], try(var.waf.log_retention_days, 30))
    error_message = "waf.log_retention_days must be 0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653: CloudWatch knows no others, and for ever is not kept by accident."
  }
}

variable "access_logs" {
  description = "A bucket with what was asked for by whom, without queries and cookies; null for none. `retention_days`: for how many days it is kept, 1 to 3653 (90). `force_destroy`: whether the bucket may go with logs in it (false)."
  type = object({
    retention_days = optional(number, 90)
    force_destroy  = optional(bool, false)
  })
  default = null

  validation {
    condition     = try(var.access_logs.retention_days, 90) >= 1 && try(var.access_logs.retention_days, 90) <= 3653 && floor(try(var.access_logs.retention_days, 90)) == try(var.access_logs.retention_days, 90)
    error_message = "access_logs.retention_days must be a whole number from 1 to 3653: S3 counts in whole days, and logs hold people's addresses, which are not kept for ever."
  }
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the page's bucket; its policy must let cloudfront.amazonaws.com decrypt for this account's distributions. Null for S3's own key, which costs nothing; the page is public once it is served."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (arn:aws:kms:REGION:ACCOUNT:key/ID), not an alias: an alias could come to mean a key that CloudFront may not use."
  }
}

variable "content_security_policy" {
  description = "Content-Security-Policy of the page. The service sends the same; where both do, the distribution's stands. The API's answers have the service's own, which allow nothing."
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
