locals {
  public = var.load_balancer.exposure == "public"
  port   = coalesce(var.load_balancer.port, local.public ? 443 : 80)

  # Two names for two target groups that change places in a blue/green deployment; a
  # rolling one has the first only.
  target_groups = local.blue_green ? ["blue", "green"] : ["blue"]
}

data "aws_subnet" "load_balancer" {
  count = length(var.load_balancer.subnet_ids)

  id = var.load_balancer.subnet_ids[count.index]

  lifecycle {
    postcondition {
      condition     = self.vpc_id == var.vpc_id
      error_message = "load_balancer.subnet_ids holds ${self.id}, which is in ${self.vpc_id} and not in vpc_id, ${var.vpc_id}: load balancer, security groups and tasks share one VPC."
    }
  }
}

module "access_logs" {
  source = "../log-bucket"
  count  = var.load_balancer.access_logs == null ? 0 : 1

  name           = "${var.name_prefix}-alb-logs"
  writers        = { LoadBalancers = { service = "logdelivery.elasticloadbalancing.amazonaws.com" } }
  retention_days = var.load_balancer.access_logs.retention_days
  force_destroy  = var.load_balancer.access_logs.force_destroy
}

resource "aws_lb" "this" {
  name               = var.name_prefix
  internal           = !local.public
  load_balancer_type = "application"
  subnets            = var.load_balancer.subnet_ids
  security_groups    = [aws_security_group.load_balancer.id]
  idle_timeout       = var.timeouts.idle

  drop_invalid_header_fields = true
  enable_deletion_protection = var.load_balancer.deletion_protection

  dynamic "access_logs" {
    for_each = module.access_logs

    content {
      enabled = true
      bucket  = access_logs.value.bucket_name
    }
  }

  lifecycle {
    precondition {
      condition     = length(distinct(data.aws_subnet.load_balancer[*].availability_zone_id)) == length(var.load_balancer.subnet_ids)
      error_message = "load_balancer.subnet_ids holds subnets of ${length(distinct(data.aws_subnet.load_balancer[*].availability_zone_id))} availability zones for ${length(var.load_balancer.subnet_ids)} subnets: an application load balancer takes one of each zone."
    }
  }
}

resource "aws_lb_target_group" "this" {
  for_each = toset(local.target_groups)

  # Replaced when one of these changes, and then the old and the new one stand side
  # by side for a while: the name must differ with them.
  name        = "${substr(var.name_prefix, 0, 23)}-${substr(sha256("${var.vpc_id}/${var.container.port}${each.key == "blue" ? "" : each.key}"), 0, 8)}"
  vpc_id      = var.vpc_id
  port        = var.container.port
  protocol    = "HTTP"
  target_type = "ip"

  deregistration_delay = var.timeouts.deregistration

  # One client stays with one task: that's where its notebook's kernel is warm.
  stickiness {
    enabled         = true
    type            = "lb_cookie"
    cookie_duration = 86400
  }

  health_check {
    enabled             = true
    path                = var.target_health_check.path
    protocol            = "HTTP"
    port                = "traffic-port"
    matcher             = "200"
    interval            = var.target_health_check.interval_seconds
    timeout             = var.target_health_check.timeout_seconds
    healthy_threshold   = var.target_health_check.healthy_threshold
    unhealthy_threshold = var.target_health_check.unhealthy_threshold
  }

  lifecycle {
    create_before_destroy = true
  }
}

# Internal: plain HTTP, inside of the VPC only. HTTPS ends at CloudFront, whose VPC
# origin reaches this listener through AWS's own network.
resource "aws_lb_listener" "http" {
  count = local.public || local.blue_green ? 0 : 1

  load_balancer_arn = aws_lb.this.arn
  port              = local.port
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this["blue"].arn
  }
}

# The same where CodeDeploy says which target group is the one. What is ignored can't
# depend on a variable.
resource "aws_lb_listener" "http_blue_green" {
  count = !local.public && local.blue_green ? 1 : 0

  load_balancer_arn = aws_lb.this.arn
  port              = local.port
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this["blue"].arn
  }

  lifecycle {
    ignore_changes = [default_action]
  }
}

# Public: whoever doesn't know the secret gets nothing but this.
resource "aws_lb_listener" "https" {
  count = local.public ? 1 : 0

  load_balancer_arn = aws_lb.this.arn
  port              = local.port
  protocol          = "HTTPS"
  ssl_policy        = var.load_balancer.https.ssl_policy
  certificate_arn   = local.certificate_arn

  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "This is reached through its distribution only."
      status_code  = "403"
    }
  }
}

resource "aws_lb_listener_rule" "origin_secret" {
  count = local.public && !local.blue_green ? 1 : 0

  listener_arn = aws_lb_listener.https[0].arn
  priority     = 1

  condition {
    http_header {
      http_header_name = var.origin_secret.header
      values           = [var.origin_secret.value]
    }
  }

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this["blue"].arn
  }
}

resource "aws_lb_listener_rule" "origin_secret_blue_green" {
  count = local.public && local.blue_green ? 1 : 0

  listener_arn = aws_lb_listener.https[0].arn
  priority     = 1

  condition {
    http_header {
      http_header_name = var.origin_secret.header
      values           = [var.origin_secret.value]
    }
  }

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this["blue"].arn
  }

  lifecycle {
    ignore_changes = [action]
  }
}

locals {
  listener = one(concat(aws_lb_listener.http, aws_lb_listener.http_blue_green, aws_lb_listener.https))
}
