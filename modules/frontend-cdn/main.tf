locals {
  # AWS's own policies. Their ids are the same in every account; looking them up by
  # name would make plans depend on the API for nothing.
  caching_optimized             = "658327ea-f89d-4fab-a63d-7e88639e58f6"
  caching_disabled              = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
  all_viewer_except_host_header = "b689b0a8-53d0-40ab-baf2-68738e2966ac"

  frontend_origin_id = "frontend"
  api_origin_id      = "api"

  public = var.api_origin.exposure == "public"

  reading_methods = ["GET", "HEAD"]

  # The document in which the page shows HTML of cells. The service has the same
  # path and policy. Scripts run in it, in an origin that is nobody's and without a
  # network; without the sandbox they would run as the user.
  sandbox_path   = "/assets/sandbox-*"
  sandbox_policy = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob: data:; worker-src blob: data:; style-src 'unsafe-inline'; img-src data: blob:; media-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

  # What answers are framed by, and the policy they carry.
  header_policies = {
    security = { comment = "the page", frames = "DENY", content = var.content_security_policy, override = true }
    sandbox  = { comment = "the frame for HTML of cells", frames = "SAMEORIGIN", content = local.sandbox_policy, override = true }

    # What the service says of its content stands: its answers may load nothing, and an
    # exported notebook is in a sandbox, which the page's policy would let it out of.
    # Only answers without one, CloudFront's and the load balancer's own, get this.
    api = { comment = "the API", frames = "DENY", content = "default-src 'none'; frame-ancestors 'none'", override = false }
  }

  # What goes to the service; everything else is the page. In the order in which
  # CloudFront tries them.
  api_behaviours = [
    { path = "/api/*", methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"] },
    { path = "/health", methods = local.reading_methods },
  ]
}

resource "aws_cloudfront_origin_access_control" "frontend" {
  name                              = "${var.name_prefix}-frontend"
  description                       = "Signs what CloudFront reads from the page's bucket"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

# An internal load balancer has no public address: CloudFront reaches it through
# network interfaces of its own in the VPC.
resource "aws_cloudfront_vpc_origin" "api" {
  count = local.public ? 0 : 1

  vpc_origin_endpoint_config {
    name                   = "${var.name_prefix}-api"
    arn                    = var.api_origin.load_balancer_arn
    http_port              = var.api_origin.http_port
    https_port             = 443
    origin_protocol_policy = "http-only"

    # Must be given though HTTPS is not spoken inside of the VPC.
    origin_ssl_protocols {
      items    = ["TLSv1.2"]
      quantity = 1
    }
  }
}

resource "aws_cloudfront_function" "spa" {
  name    = "${var.name_prefix}-spa"
  comment = "Serves the app's routes with index.html"
  runtime = "cloudfront-js-2.0"
  code    = file("${path.module}/functions/spa.js")
  publish = true
}

resource "aws_cloudfront_response_headers_policy" "this" {
  for_each = local.header_policies

  name    = "${var.name_prefix}-${each.key}"
  comment = "Headers: ${each.value.comment}"

  security_headers_config {
    content_security_policy {
      content_security_policy = each.value.content
      override                = each.value.override
    }

    strict_transport_security {
      access_control_max_age_sec = var.hsts_max_age_seconds
      include_subdomains         = true
      preload                    = false
      override                   = true
    }

    content_type_options {
      override = true
    }

    frame_options {
      frame_option = each.value.frames
      override     = true
    }

    referrer_policy {
      referrer_policy = "same-origin"
      override        = true
    }
  }
}

moved {
  from = aws_cloudfront_response_headers_policy.this
  to   = aws_cloudfront_response_headers_policy.this["security"]
}

resource "aws_cloudfront_distribution" "this" {
  comment             = var.name_prefix
  enabled             = true
  http_version        = "http2and3"
  is_ipv6_enabled     = true
  default_root_object = "index.html"
  price_class         = var.price_class
  wait_for_deployment = var.wait_for_deployment
  aliases             = local.names
  web_acl_id          = one(aws_wafv2_web_acl.this[*].arn)

  origin {
    origin_id                = local.frontend_origin_id
    domain_name              = aws_s3_bucket.frontend.bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.frontend.id
  }

  origin {
    origin_id   = local.api_origin_id
    domain_name = var.api_origin.domain_name

    dynamic "vpc_origin_config" {
      for_each = aws_cloudfront_vpc_origin.api

      content {
        vpc_origin_id            = vpc_origin_config.value.id
        origin_read_timeout      = var.api_origin.read_timeout_seconds
        origin_keepalive_timeout = var.api_origin.keepalive_timeout_seconds
      }
    }

    dynamic "custom_origin_config" {
      for_each = local.public ? ["https"] : []

      content {
        origin_protocol_policy   = "https-only"
        origin_ssl_protocols     = ["TLSv1.2"]
        http_port                = 80 # must be given though it isn't used
        https_port               = var.api_origin.https_port
        origin_read_timeout      = var.api_origin.read_timeout_seconds
        origin_keepalive_timeout = var.api_origin.keepalive_timeout_seconds
      }
    }

    dynamic "custom_header" {
      for_each = local.public ? ["origin secret"] : []

      content {
        name  = var.origin_secret.header
        value = var.origin_secret.value
      }
    }
  }

  default_cache_behavior {
    target_origin_id           = local.frontend_origin_id
    allowed_methods            = local.reading_methods
    cached_methods             = local.reading_methods
    viewer_protocol_policy     = "redirect-to-https"
    compress                   = true
    cache_policy_id            = local.caching_optimized
    response_headers_policy_id = aws_cloudfront_response_headers_policy.this["security"].id

    function_association {
      event_type   = "viewer-request"
      function_arn = aws_cloudfront_function.spa.arn
    }
  }

  dynamic "ordered_cache_behavior" {
    for_each = local.api_behaviours

    content {
      path_pattern     = ordered_cache_behavior.value.path
      target_origin_id = local.api_origin_id
      allowed_methods  = ordered_cache_behavior.value.methods
      cached_methods   = local.reading_methods

      # Not redirected: a client that sent its token or a POST in the clear must
      # notice.
      viewer_protocol_policy = "https-only"
      compress               = false

      cache_policy_id            = local.caching_disabled
      origin_request_policy_id   = local.all_viewer_except_host_header
      response_headers_policy_id = aws_cloudfront_response_headers_policy.this["api"].id
    }
  }

  ordered_cache_behavior {
    path_pattern               = local.sandbox_path
    target_origin_id           = local.frontend_origin_id
    allowed_methods            = local.reading_methods
    cached_methods             = local.reading_methods
    viewer_protocol_policy     = "redirect-to-https"
    compress                   = true
    cache_policy_id            = local.caching_optimized
    response_headers_policy_id = aws_cloudfront_response_headers_policy.this["sandbox"].id
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = var.domain == null
    acm_certificate_arn            = local.certificate_arn
    ssl_support_method             = var.domain == null ? null : "sni-only"
    minimum_protocol_version       = var.domain == null ? "TLSv1" : "TLSv1.2_2021"
  }

  tags = { Name = var.name_prefix }
}

# While a plan is made a distribution that isn't there yet has no status, which would
# be a warning in every first plan.
check "the_distribution_is_everywhere" {
  assert {
    condition     = terraform.applying ? aws_cloudfront_distribution.this.status == "Deployed" : true
    error_message = "CloudFront is still bringing the change to its edge locations (${aws_cloudfront_distribution.this.status}): for some minutes some of them serve the old one."
  }
}
