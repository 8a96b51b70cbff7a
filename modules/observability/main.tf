# What tells people that something is wrong, and what it looks like when they look.

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  load_balancer = regex(":loadbalancer/(app/[^/]+/[^/]+)$", var.service.load_balancer_arn)[0]
  target_group  = regex(":(targetgroup/[^/]+/[^/]+)$", var.service.target_group_arn)[0]

  namespace = "${var.name_prefix}/service"
}
