# Where CloudFront's requests come from.
#
# To a public load balancer all of CloudFront's do, for anybody's distribution: that is
# why its listener asks for the origin secret, too.
#
# To an internal one they come from a VPC origin. CloudFront also makes a security group of
# its own in the VPC (CloudFront-VPCOrigins-Service-SG), which would do as a source,
# but only after the first VPC origin, which needs this load balancer and so this
# group first; and a rule that names it would keep it, and with it the VPC, from
# being destroyed. The list can be named from the start. It is no wider here: the
# load balancer has no public address, so that the list's addresses reach it through
# a VPC origin only, and only this account can make one to it.
data "aws_ec2_managed_prefix_list" "cloudfront" {
  name = "com.amazonaws.global.cloudfront.origin-facing"

  lifecycle {
    postcondition {
      condition     = self.owner_id == "AWS"
      error_message = "The prefix list of CloudFront's addresses belongs to ${self.owner_id} instead of AWS: it must not open the load balancer."
    }
  }
}

resource "aws_security_group" "load_balancer" {
  name_prefix = "${var.name_prefix}-alb-"
  description = "Load balancer of ${var.name_prefix}: from CloudFront, to the tasks"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name_prefix}-alb" }

  lifecycle {
    create_before_destroy = true
  }
}

# The list weighs 55 of the 60 rules that a group may have: one port, no more.
resource "aws_vpc_security_group_ingress_rule" "load_balancer_from_cloudfront" {
  security_group_id = aws_security_group.load_balancer.id
  description       = local.public ? "CloudFront's edge" : "CloudFront's VPC origin"
  prefix_list_id    = data.aws_ec2_managed_prefix_list.cloudfront.id
  ip_protocol       = "tcp"
  from_port         = local.port
  to_port           = local.port
}

resource "aws_vpc_security_group_egress_rule" "load_balancer_to_task" {
  security_group_id            = aws_security_group.load_balancer.id
  description                  = "Requests and health checks"
  referenced_security_group_id = aws_security_group.task.id
  ip_protocol                  = "tcp"
  from_port                    = var.container.port
  to_port                      = var.container.port
}

resource "aws_security_group" "task" {
  name_prefix = "${var.name_prefix}-task-"
  description = "Tasks of ${var.name_prefix}: from the load balancer only"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name_prefix}-task" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "task_from_load_balancer" {
  security_group_id            = aws_security_group.task.id
  description                  = "Requests and health checks"
  referenced_security_group_id = aws_security_group.load_balancer.id
  ip_protocol                  = "tcp"
  from_port                    = var.container.port
  to_port                      = var.container.port
}

# Notebooks fetch data from wherever their authors say; tasks fetch images, secrets
# and send logs.
resource "aws_vpc_security_group_egress_rule" "task_to_anywhere" {
  security_group_id = aws_security_group.task.id
  description       = "Notebooks reach the internet"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_vpc_security_group_egress_rule" "task_to_anywhere_ipv6" {
  count = var.task_network.ipv6 ? 1 : 0

  security_group_id = aws_security_group.task.id
  description       = "Notebooks reach the internet by IPv6"
  cidr_ipv6         = "::/0"
  ip_protocol       = "-1"
}
