# A public load balancer's name, and the certificate that CloudFront checks it by.
# Both are made here unless a certificate is given: by that, as the zone's id may not
# be known before it is made, and how much is made must be.
locals {
  own_certificate = var.load_balancer.https != null && try(var.load_balancer.https.certificate_arn, null) == null
  certificate_arn = local.own_certificate ? aws_acm_certificate_validation.origin[0].certificate_arn : try(var.load_balancer.https.certificate_arn, null)
}

resource "aws_acm_certificate" "origin" {
  count = local.own_certificate ? 1 : 0

  domain_name       = var.load_balancer.https.domain_name
  validation_method = "DNS"

  tags = { Name = "${var.name_prefix}-origin" }

  # The listener has the old one until the new one is proved.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "origin_proof" {
  count = local.own_certificate ? 1 : 0

  zone_id = var.load_balancer.https.zone_id
  name    = one(aws_acm_certificate.origin[0].domain_validation_options).resource_record_name
  type    = one(aws_acm_certificate.origin[0].domain_validation_options).resource_record_type
  records = [one(aws_acm_certificate.origin[0].domain_validation_options).resource_record_value]
  ttl     = 300

  # A second certificate of the same name has the same proof.
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "origin" {
  count = local.own_certificate ? 1 : 0

  certificate_arn         = aws_acm_certificate.origin[0].arn
  validation_record_fqdns = aws_route53_record.origin_proof[*].fqdn
}

resource "aws_route53_record" "origin" {
  count = local.own_certificate ? 1 : 0

  zone_id = var.load_balancer.https.zone_id
  name    = var.load_balancer.https.domain_name
  type    = "A"

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = false
  }
}
