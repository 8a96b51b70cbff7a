# Who asked for what, from CloudFront's delivery of logs (v2): unlike the older kind it
# needs no access control lists on the bucket.
module "access_logs" {
  source = "../log-bucket"
  count  = var.access_logs == null ? 0 : 1

  name           = "${var.name_prefix}-cdn-logs"
  retention_days = var.access_logs.retention_days
  force_destroy  = var.access_logs.force_destroy

  writers = {
    Distribution = {
      service     = "delivery.logs.amazonaws.com"
      source_arns = ["arn:${data.aws_partition.current.partition}:logs:*:${data.aws_caller_identity.current.account_id}:delivery-source:${var.name_prefix}-cdn"]
    }
  }
}

resource "aws_cloudwatch_log_delivery_source" "this" {
  count = var.access_logs == null ? 0 : 1

  provider = aws.us_east_1

  name         = "${var.name_prefix}-cdn"
  log_type     = "ACCESS_LOGS"
  resource_arn = aws_cloudfront_distribution.this.arn
}

resource "aws_cloudwatch_log_delivery_destination" "this" {
  count = var.access_logs == null ? 0 : 1

  provider = aws.us_east_1

  name          = "${var.name_prefix}-cdn"
  output_format = "json"

  delivery_destination_configuration {
    destination_resource_arn = module.access_logs[0].bucket_arn
  }
}

resource "aws_cloudwatch_log_delivery" "this" {
  count = var.access_logs == null ? 0 : 1

  provider = aws.us_east_1

  delivery_source_name     = aws_cloudwatch_log_delivery_source.this[0].name
  delivery_destination_arn = aws_cloudwatch_log_delivery_destination.this[0].arn

  # Neither cookies nor queries: they are nobody's business but the service's.
  record_fields = [
    "date",
    "time",
    "x-edge-location",
    "c-ip",
    "cs-method",
    "cs(Host)",
    "cs-uri-stem",
    "sc-status",
    "cs(Referer)",
    "cs(User-Agent)",
    "x-edge-result-type",
    "x-edge-request-id",
    "cs-protocol",
    "cs-bytes",
    "sc-bytes",
    "time-taken",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-detailed-result-type",
  ]
}
