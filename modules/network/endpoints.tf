# Free, and image layers come from S3: without it they'd pass the NAT gateway, which
# is paid for by the gigabyte.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${data.aws_region.current.name}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = concat([aws_route_table.public.id], aws_route_table.private[*].id)

  tags = { Name = "${var.name_prefix}-s3" }
}

locals {
  endpoints = { for service in var.interface_endpoints : service => "com.amazonaws.${data.aws_region.current.name}.${service}" }
}

# What AWS says of the services: an endpoint in a zone that its service isn't in fails
# halfway through an apply.
data "aws_vpc_endpoint_service" "interface" {
  for_each = local.endpoints

  service_name = each.value
  service_type = "Interface"

  lifecycle {
    postcondition {
      condition     = length(setsubtract(local.zones, self.availability_zones)) == 0
      error_message = "${each.value} is not offered in ${join(", ", setsubtract(local.zones, self.availability_zones))}: exclude that zone by excluded_zone_ids, or leave \"${each.key}\" out of interface_endpoints."
    }
  }
}

resource "aws_security_group" "endpoints" {
  count = length(local.endpoints) > 0 ? 1 : 0

  name_prefix = "${var.name_prefix}-endpoints-"
  description = "Interface endpoints of ${var.name_prefix}: HTTPS from the VPC"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name_prefix}-endpoints" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  count = length(local.endpoints) > 0 ? 1 : 0

  security_group_id = aws_security_group.endpoints[0].id
  description       = "What runs in the VPC calls AWS"
  cidr_ipv4         = aws_vpc.this.cidr_block
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# With private DNS the services' usual names lead here, from public subnets, too.
resource "aws_vpc_endpoint" "interface" {
  for_each = local.endpoints

  vpc_id              = aws_vpc.this.id
  service_name        = data.aws_vpc_endpoint_service.interface[each.key].service_name
  vpc_endpoint_type   = "Interface"
  subnet_ids          = aws_subnet.private[*].id
  security_group_ids  = aws_security_group.endpoints[*].id
  private_dns_enabled = true

  tags = { Name = "${var.name_prefix}-${each.key}" }
}
