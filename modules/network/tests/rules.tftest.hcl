# The module's rules, on a mocked provider.

mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-north-1a", "eu-north-1b", "eu-north-1c"] }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-north-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_vpc_endpoint_service" {
    defaults = { availability_zones = ["eu-north-1a", "eu-north-1b", "eu-north-1c"] }
  }
  mock_resource "aws_vpc" {
    defaults = { ipv6_cidr_block = "2001:db8:1200::/56" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-north-1:123456789012:log-group:/vpc/test/flow" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/test" }
  }
}

variables {
  name_prefix = "test"
}

run "defaults_have_no_nat" {
  command = plan

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_eip.nat) == 0 && length(aws_route.private_internet) == 0
    error_message = "nat none makes neither gateways nor addresses nor routes"
  }
  assert {
    condition     = length(aws_subnet.public) == 2 && length(aws_subnet.private) == 2
    error_message = "two zones have two public and two private subnets"
  }
  assert {
    condition     = alltrue([for s in aws_subnet.public : !s.map_public_ip_on_launch])
    error_message = "public addresses are asked for, not given to all"
  }
  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway"
    error_message = "S3 is reached by a gateway endpoint"
  }
  assert {
    condition     = length(aws_vpc_endpoint.interface) == 0 && length(aws_security_group.endpoints) == 0 && length(aws_flow_log.this) == 0 && length(aws_egress_only_internet_gateway.this) == 0
    error_message = "what costs, or isn't needed by all, is asked for"
  }
}

run "ipv6_lets_private_subnets_out_and_nobody_in" {
  variables {
    ipv6 = true
  }

  assert {
    condition     = aws_vpc.this.assign_generated_ipv6_cidr_block && length(distinct(concat(aws_subnet.public[*].ipv6_cidr_block, aws_subnet.private[*].ipv6_cidr_block))) == 4
    error_message = "each subnet has an IPv6 range of its own"
  }
  assert {
    condition     = alltrue([for r in aws_route.private_internet_ipv6 : r.egress_only_gateway_id == aws_egress_only_internet_gateway.this[0].id && r.gateway_id == null])
    error_message = "private subnets leave through the gateway that lets nothing in"
  }
}

run "endpoints_take_https_from_the_vpc_only" {
  variables {
    interface_endpoints = ["ecr.api", "logs"]
  }

  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["ecr.api", "logs"]) && alltrue([for e in aws_vpc_endpoint.interface : e.private_dns_enabled && e.vpc_endpoint_type == "Interface"])
    error_message = "each service is reached under its usual name"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.endpoints[0].cidr_ipv4 == "10.0.0.0/16" && aws_vpc_security_group_ingress_rule.endpoints[0].from_port == 443 && aws_vpc_security_group_ingress_rule.endpoints[0].to_port == 443
    error_message = "nobody outside of the VPC calls them"
  }
}

run "flow_logs_go_to_one_group" {
  variables {
    flow_logs = { traffic = "REJECT", retention_days = 7 }
  }

  assert {
    condition     = aws_flow_log.this[0].traffic_type == "REJECT" && aws_flow_log.this[0].max_aggregation_interval == 600 && aws_cloudwatch_log_group.flow[0].retention_in_days == 7
    error_message = "what was asked for, and ten minutes by default"
  }
  assert {
    condition     = flatten([for s in data.aws_iam_policy_document.flow[0].statement : s.resources]) == ["arn:aws:logs:eu-north-1:123456789012:log-group:/vpc/test/flow:*"]
    error_message = "the role writes to this group and no other"
  }
}

run "the_default_security_group_has_no_rules" {
  assert {
    condition     = length(aws_default_security_group.closed.ingress) == 0 && length(aws_default_security_group.closed.egress) == 0
    error_message = "the default group lets nothing in or out"
  }
}

run "a_single_nat_serves_all_zones" {
  command = plan

  variables {
    nat      = "single"
    az_count = 3
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.private_internet) == 3
    error_message = "one gateway, a route from each zone"
  }
}

run "per_az_has_a_nat_in_each_zone" {
  command = plan

  variables {
    nat      = "per_az"
    az_count = 3
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 3 && length(aws_route.private_internet) == 3
    error_message = "as many gateways as zones"
  }
}

run "subnets_do_not_overlap_and_stay_when_zones_are_added" {
  command = plan

  variables {
    cidr_block = "10.1.0.0/20"
    az_count   = 3
  }

  assert {
    condition     = length(distinct(concat(aws_subnet.public[*].cidr_block, aws_subnet.private[*].cidr_block))) == 6
    error_message = "each subnet has a range of its own"
  }
  assert {
    condition     = aws_subnet.public[0].cidr_block == "10.1.0.0/24" && aws_subnet.private[0].cidr_block == "10.1.8.0/24"
    error_message = "the first ranges don't depend on the number of zones"
  }
}

run "more_zones_than_the_region_has" {
  command = plan

  variables {
    az_count = 4
  }

  expect_failures = [data.aws_availability_zones.this]
}

run "one_zone" {
  command = plan

  variables {
    az_count = 1
  }

  expect_failures = [var.az_count]
}

run "unknown_nat" {
  command = plan

  variables {
    nat = "some"
  }

  expect_failures = [var.nat]
}

run "name_with_capitals" {
  command = plan

  variables {
    name_prefix = "Test"
  }

  expect_failures = [var.name_prefix]
}

run "range_that_does_not_start_at_its_start" {
  command = plan

  variables {
    cidr_block = "10.0.0.1/16"
  }

  expect_failures = [var.cidr_block]
}

run "range_too_small" {
  command = plan

  variables {
    cidr_block = "10.0.0.0/24"
  }

  expect_failures = [var.cidr_block]
}

run "a_zone_by_name" {
  command = plan

  variables {
    excluded_zone_ids = ["eu-north-1a"]
  }

  expect_failures = [var.excluded_zone_ids]
}

run "an_endpoint_by_its_whole_name" {
  command = plan

  variables {
    interface_endpoints = ["com.amazonaws.eu-north-1.logs"]
  }

  expect_failures = [var.interface_endpoints]
}

run "an_interface_endpoint_for_s3" {
  command = plan

  variables {
    interface_endpoints = ["s3"]
  }

  expect_failures = [var.interface_endpoints]
}

run "flow_logs_of_some_traffic" {
  command = plan

  variables {
    flow_logs = { traffic = "SOME" }
  }

  expect_failures = [var.flow_logs]
}

run "flow_logs_every_minute_and_a_half" {
  command = plan

  variables {
    flow_logs = { interval_seconds = 90 }
  }

  expect_failures = [var.flow_logs]
}

run "flow_logs_for_ever" {
  command = plan

  variables {
    flow_logs = { retention_days = 0 }
  }

  expect_failures = [var.flow_logs]
}

run "flow_logs_with_a_keys_alias" {
  command = plan

  variables {
    flow_logs = { kms_key_arn = "arn:aws:kms:eu-north-1:123456789012:alias/logs" }
  }

  expect_failures = [var.flow_logs]
}

run "a_boundary_that_is_no_policy" {
  command = plan

  variables {
    permissions_boundary_arn = "arn:aws:iam::123456789012:role/boundary"
  }

  expect_failures = [var.permissions_boundary_arn]
}

run "a_service_that_is_not_in_every_zone" {
  command = plan

  variables {
    interface_endpoints = ["logs"]
  }

  override_data {
    target = data.aws_vpc_endpoint_service.interface
    values = { availability_zones = ["eu-north-1a"] }
  }

  expect_failures = [data.aws_vpc_endpoint_service.interface]
}

run "a_zone_that_is_out_of_order" {
  command = plan

  override_data {
    target = data.aws_availability_zones.available
    values = { names = ["eu-north-1a", "eu-north-1c"] }
  }

  expect_failures = [check.zones_are_in_order]
}
