output "vpc_id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}

output "vpc_cidr_block" {
  description = "IPv4 range of the VPC, in CIDR notation."
  value       = aws_vpc.this.cidr_block
}

output "availability_zones" {
  description = "Names of the zones that the network spans, in the order of the subnets."
  value       = local.zones
}

output "public_subnet_ids" {
  description = "Ids of the subnets with a route to the internet gateway, one in each zone. Usable once that route stands."
  value       = aws_subnet.public[*].id

  # Who launches something here counts on the way out.
  depends_on = [aws_route.public_internet, aws_route.public_internet_ipv6, aws_route_table_association.public]
}

output "private_subnet_ids" {
  description = "Ids of the subnets without a route from the internet, one in each zone; whether they have a route to it is the choice of `nat`."
  value       = aws_subnet.private[*].id

  # What starts here counts on its way out and on the endpoints. CloudFront makes a
  # VPC origin to a load balancer here only where the VPC has an internet gateway,
  # though nothing is routed through it.
  depends_on = [
    aws_route.private_internet,
    aws_route.private_internet_ipv6,
    aws_route_table_association.private,
    aws_internet_gateway.this,
    aws_vpc_endpoint.s3,
    aws_vpc_endpoint.interface,
  ]
}

output "nat" {
  description = "How private subnets reach the internet: none, single or per_az."
  value       = var.nat
}

output "nat_public_ips" {
  description = "Public IPv4 addresses that traffic from the private subnets comes from; empty where nat is none."
  value       = aws_eip.nat[*].public_ip
}

output "internet_gateway_id" {
  description = "Id of the VPC's internet gateway. CloudFront's VPC origins need the VPC to have one."
  value       = aws_internet_gateway.this.id
}

output "ipv6_cidr_block" {
  description = "IPv6 range of the VPC, a /56 in CIDR notation; null without IPv6."
  value       = var.ipv6 ? aws_vpc.this.ipv6_cidr_block : null
}

output "interface_endpoint_ids" {
  description = "Ids of the interface endpoints, by the end of their service's name."
  value       = { for service, endpoint in aws_vpc_endpoint.interface : service => endpoint.id }
}

output "flow_log_group_name" {
  description = "Name of the log group of the flow logs; null without them."
  value       = one(aws_cloudwatch_log_group.flow[*].name)
}
