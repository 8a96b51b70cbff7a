# IPv6 beside IPv4. Public subnets reach the internet through the internet gateway,
# private ones through a gateway that lets nothing in: what NAT is for, without its
# price.
resource "aws_route" "public_internet_ipv6" {
  count = var.ipv6 ? 1 : 0

  route_table_id              = aws_route_table.public.id
  destination_ipv6_cidr_block = "::/0"
  gateway_id                  = aws_internet_gateway.this.id
}

resource "aws_egress_only_internet_gateway" "this" {
  count = var.ipv6 ? 1 : 0

  vpc_id = aws_vpc.this.id

  tags = { Name = var.name_prefix }
}

resource "aws_route" "private_internet_ipv6" {
  count = var.ipv6 ? var.az_count : 0

  route_table_id              = aws_route_table.private[count.index].id
  destination_ipv6_cidr_block = "::/0"
  egress_only_gateway_id      = aws_egress_only_internet_gateway.this[0].id
}
