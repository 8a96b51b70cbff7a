data "aws_region" "current" {}

# Zones in every state: one that is out of order for a day must not move the subnets
# of the others. Whether they are in order is checked below.
data "aws_availability_zones" "this" {
  exclude_zone_ids = var.excluded_zone_ids

  # Local Zones and Wavelength Zones have neither Fargate nor NAT gateways.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }

  lifecycle {
    postcondition {
      condition     = length(self.names) >= var.az_count
      error_message = "az_count is ${var.az_count}, but this region offers ${length(self.names)} availability zones${length(var.excluded_zone_ids) > 0 ? " besides those in excluded_zone_ids" : ""}: lower az_count or choose another region."
    }
  }
}

# Not inside of the check: Terraform would read it again in each apply, and no plan
# would be empty.
data "aws_availability_zones" "available" {
  state = "available"
}

check "zones_are_in_order" {
  assert {
    condition     = length(setsubtract(local.zones, data.aws_availability_zones.available.names)) == 0
    error_message = "AWS reports ${join(", ", setsubtract(local.zones, data.aws_availability_zones.available.names))} as not available: tasks there may fail to start. Subnets stay where they are."
  }
}

locals {
  zones = slice(sort(data.aws_availability_zones.this.names), 0, var.az_count)

  # Sixteenths of the range: public subnets take the first eight, private ones the
  # last eight, so that another zone moves no subnet that stands.
  public_cidrs  = [for i in range(var.az_count) : cidrsubnet(var.cidr_block, 4, i)]
  private_cidrs = [for i in range(var.az_count) : cidrsubnet(var.cidr_block, 4, i + 8)]
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr_block
  enable_dns_hostnames = true
  enable_dns_support   = true

  assign_generated_ipv6_cidr_block = var.ipv6

  tags = { Name = var.name_prefix }
}

# The default group can't be deleted, and what is launched without naming a group
# gets it. Without rules it lets nothing in or out.
resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name_prefix}-default-closed" }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name_prefix }
}

resource "aws_subnet" "public" {
  count = var.az_count

  vpc_id            = aws_vpc.this.id
  availability_zone = local.zones[count.index]
  cidr_block        = local.public_cidrs[count.index]
  ipv6_cidr_block   = var.ipv6 ? cidrsubnet(aws_vpc.this.ipv6_cidr_block, 8, count.index) : null

  # What needs a public address asks for it; nothing gets one by accident.
  map_public_ip_on_launch = false

  tags = { Name = "${var.name_prefix}-public-${local.zones[count.index]}" }
}

resource "aws_subnet" "private" {
  count = var.az_count

  vpc_id            = aws_vpc.this.id
  availability_zone = local.zones[count.index]
  cidr_block        = local.private_cidrs[count.index]
  ipv6_cidr_block   = var.ipv6 ? cidrsubnet(aws_vpc.this.ipv6_cidr_block, 8, count.index + 8) : null

  tags = { Name = "${var.name_prefix}-private-${local.zones[count.index]}" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name_prefix}-public" }
}

resource "aws_route" "public_internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  count = var.az_count

  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}

# A table for each zone even where they are alike, so that a change of `nat` adds
# and removes routes only and leaves running tasks' tables in place.
resource "aws_route_table" "private" {
  count = var.az_count

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name_prefix}-private-${local.zones[count.index]}" }
}

resource "aws_route_table_association" "private" {
  count = var.az_count

  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private[count.index].id
}
