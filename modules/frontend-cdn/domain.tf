# The page's own names, and the certificate for them. Names and proof are made here
# unless a certificate is given: by that, as the zone's id may not be known before it is
# made, and how much is made must be.
locals {
  names = var.domain == null ? [] : concat([var.domain.name], sort(var.domain.aliases))

  own_names       = try(var.domain.certificate_arn, null) == null ? local.names : []
  certificate_arn = length(local.own_names) > 0 ? aws_acm_certificate_validation.this[0].certificate_arn : try(var.domain.certificate_arn, null)

  # What ACM wants to see in DNS, by name.
  proofs = { for proof in flatten(aws_acm_certificate.this[*].domain_validation_options) : proof.domain_name => proof }
}

resource "aws_acm_certificate" "this" {
  count = length(local.own_names) > 0 ? 1 : 0

  provider = aws.us_east_1

  domain_name               = var.domain.name
  subject_alternative_names = sort(var.domain.aliases)
  validation_method         = "DNS"

  tags = { Name = var.name_prefix }

  # The distribution has the old one until the new one is proved.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "proof" {
  for_each = toset(local.own_names)

  zone_id = var.domain.zone_id
  name    = local.proofs[each.key].resource_record_name
  type    = local.proofs[each.key].resource_record_type
  records = [local.proofs[each.key].resource_record_value]
  ttl     = 300

  # A second certificate of the same name has the same proof.
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  count = length(local.own_names) > 0 ? 1 : 0

  provider = aws.us_east_1

  certificate_arn         = aws_acm_certificate.this[0].arn
  validation_record_fqdns = [for record in aws_route53_record.proof : record.fqdn]
}

resource "aws_route53_record" "this" {
  for_each = { for pair in setproduct(local.own_names, ["A", "AAAA"]) : "${pair[0]} ${pair[1]}" => { name = pair[0], type = pair[1] } }

  zone_id = var.domain.zone_id
  name    = each.value.name
  type    = each.value.type

  alias {
    name                   = aws_cloudfront_distribution.this.domain_name
    zone_id                = aws_cloudfront_distribution.this.hosted_zone_id
    evaluate_target_health = false
  }
}
