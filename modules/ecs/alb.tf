resource "aws_lb" "this" {
  name               = var.name_prefix
  internal           = true
  load_balancer_type = "application"
  subnets            = var.load_balancer.subnet_ids
  security_groups    = [aws_security_group.load_balancer.id]
  idle_timeout       = var.timeouts.idle

  drop_invalid_header_fields = true
  enable_deletion_protection = var.load_balancer.deletion_protection
}

resource "aws_lb_target_group" "this" {
  # Replaced when one of these changes, and then the old and the new one stand side
  # by side for a while: the name must differ with them.
  name        = "${substr(var.name_prefix, 0, 23)}-${substr(sha256("${var.vpc_id}/${var.container.port}"), 0, 8)}"
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

# Plain HTTP, inside of the VPC only: HTTPS ends at CloudFront, whose VPC origin
# reaches this listener through AWS's own network.
resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  port              = var.load_balancer.port
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}
