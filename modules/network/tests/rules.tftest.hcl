# The module's rules, on a mocked provider.

mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-north-1a", "eu-north-1b", "eu-north-1c"] }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-north-1" }
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

  expect_failures = [data.aws_availability_zones.available]
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
