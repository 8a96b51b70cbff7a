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
