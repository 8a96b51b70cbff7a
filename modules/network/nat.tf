locals {
  nat_count = { none = 0, single = 1, per_az = var.az_count }[var.nat]
}

resource "aws_eip" "nat" {
  count = local.nat_count

  domain = "vpc"

  tags = { Name = "${var.name_prefix}-nat-${local.zones[count.index]}" }

  # On destroy the address must go first: AWS keeps an internet gateway for as long
  # as the VPC has mapped public addresses.
  depends_on = [aws_internet_gateway.this]
}

resource "aws_nat_gateway" "this" {
  count = local.nat_count

  allocation_id = aws_eip.nat[count.index].id
  subnet_id     = aws_subnet.public[count.index].id

  tags = { Name = "${var.name_prefix}-${local.zones[count.index]}" }

  # It comes up only where its subnet's way out stands.
  depends_on = [aws_route.public_internet, aws_route_table_association.public]
}

resource "aws_route" "private_internet" {
  count = var.nat == "none" ? 0 : var.az_count

  route_table_id         = aws_route_table.private[count.index].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[var.nat == "per_az" ? count.index : 0].id
}
