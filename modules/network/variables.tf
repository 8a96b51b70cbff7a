variable "name_prefix" {
  description = "Start of every name in the network, so that many copies share an account. Lower-case letters, digits and hyphens, 2 to 32 characters."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must have 2 to 32 lower-case letters, digits and hyphens, start with a letter and not end with a hyphen: it starts names of load balancers and buckets, which allow no more."
  }
}

variable "cidr_block" {
  description = "IPv4 range of the VPC in CIDR notation, a /16 to a /22. Each subnet gets a sixteenth of it."
  type        = string
  default     = "10.0.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.cidr_block)) && try(cidrhost(var.cidr_block, 0) == split("/", var.cidr_block)[0], false)
    error_message = "cidr_block must be an IPv4 range whose address is the range's first, such as 10.0.0.0/16: AWS would silently move another to its range's start, and every plan would differ."
  }

  validation {
    condition     = try(tonumber(split("/", var.cidr_block)[1]) >= 16 && tonumber(split("/", var.cidr_block)[1]) <= 22, false)
    error_message = "cidr_block must be a /16 to a /22: AWS allows no VPC above /16, and a sixteenth of less than a /22 has too few addresses for a load balancer and the tasks of a rolling deployment."
  }
}

variable "az_count" {
  description = "How many availability zones the network spans; each has a public and a private subnet. 2 to 6."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.az_count >= 2 && var.az_count <= 6 && floor(var.az_count) == var.az_count
    error_message = "az_count must be a whole number from 2 to 6: an application load balancer needs two zones, and no region has more than six."
  }
}

variable "nat" {
  description = "How private subnets reach the internet: \"none\" (they don't), \"single\" (one NAT gateway for all zones: cheaper, but one zone's outage cuts off all) or \"per_az\" (one in each zone)."
  type        = string
  default     = "none"
  nullable    = false

  validation {
    condition     = contains(["none", "single", "per_az"], var.nat)
    error_message = "nat must be \"none\", \"single\" or \"per_az\"."
  }
}

variable "excluded_zone_ids" {
  description = "Ids of availability zones to stay out of, such as usw1-az2: zones without CloudFront VPC origins or without an interface endpoint's service. Ids, as names differ from account to account."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.excluded_zone_ids : can(regex("^[a-z]+[0-9]*-az[0-9]+$", id))])
    error_message = "excluded_zone_ids must hold ids of zones, such as euw2-az1, not names such as eu-west-2a: a name means another zone in another account."
  }
}

variable "interface_endpoints" {
  description = "AWS services that are reached inside of the VPC rather than over the internet, by the end of their endpoint's name, such as ecr.api, ecr.dkr, logs, secretsmanager, ssmmessages. Each costs by the hour and zone; with nat none, private tasks need these five. S3 has its gateway endpoint in any case."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for service in var.interface_endpoints : can(regex("^[a-z0-9][a-z0-9.-]*[a-z0-9]$", service)) && !startswith(service, "com.")])
    error_message = "interface_endpoints must hold the ends of endpoint names, such as ecr.api: the start, com.amazonaws and the region, is the module's."
  }

  validation {
    condition     = length(setintersection(var.interface_endpoints, ["s3", "dynamodb"])) == 0
    error_message = "interface_endpoints must not hold s3 or dynamodb: S3 is reached by the gateway endpoint, which is free, and nothing here uses DynamoDB."
  }
}

variable "flow_logs" {
  description = <<-EOT
    Flow logs of the whole VPC to CloudWatch Logs; null for none. `traffic`: ALL, ACCEPT or REJECT (ALL).
    `interval_seconds`: over how long packets are summed up, 60 or 600 (600). `retention_days`: how long they are kept
    (30). `kms_key_arn`: key of one's own whose policy lets CloudWatch Logs use it; null for AWS's (null).
  EOT
  type = object({
    traffic          = optional(string, "ALL")
    interval_seconds = optional(number, 600)
    retention_days   = optional(number, 30)
    kms_key_arn      = optional(string)
  })
  default = null

  validation {
    condition     = contains(["ALL", "ACCEPT", "REJECT"], try(var.flow_logs.traffic, "ALL"))
    error_message = "flow_logs.traffic must be ALL, ACCEPT or REJECT: EC2 knows no other kind."
  }

  validation {
    condition     = contains([60, 600], try(var.flow_logs.interval_seconds, 600))
    error_message = "flow_logs.interval_seconds must be 60 or 600: EC2 sums up over one or ten minutes."
  }

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], try(var.flow_logs.retention_days, 30))
    error_message = "flow_logs.retention_days must be 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653: CloudWatch knows no others, and for ever is not kept by accident."
  }

  validation {
    condition     = try(var.flow_logs.kms_key_arn, null) == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.flow_logs.kms_key_arn))
    error_message = "flow_logs.kms_key_arn must be the ARN of a key (arn:aws:kms:REGION:ACCOUNT:key/ID), not an alias: CloudWatch Logs accepts no alias."
  }
}

variable "ipv6" {
  description = "Whether the VPC has IPv6 beside IPv4: a /56 of Amazon's, a /64 in each subnet, a way out for private subnets that lets nothing in. It can be turned on later, not off without new subnets."
  type        = bool
  default     = false
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "ARN of the policy that bounds the role of the flow logs; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[^:]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of a policy (arn:aws:iam::ACCOUNT:policy/NAME) or null."
  }
}
