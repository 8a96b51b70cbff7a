# Names of buckets are shared by all accounts; the account's number makes this one
# ours.
resource "aws_s3_bucket" "notebooks" {
  bucket        = "${var.name_prefix}-notebooks-${data.aws_caller_identity.current.account_id}"
  force_destroy = var.bucket.force_destroy
}

resource "aws_s3_bucket_public_access_block" "notebooks" {
  bucket = aws_s3_bucket.notebooks.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "notebooks" {
  bucket = aws_s3_bucket.notebooks.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "notebooks" {
  bucket = aws_s3_bucket.notebooks.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "notebooks" {
  bucket = aws_s3_bucket.notebooks.id

  rule {
    # Without a bucket key every read and every write would be a paid call of KMS.
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "notebooks" {
  bucket = aws_s3_bucket.notebooks.id

  rule {
    id     = "expire-old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.bucket.noncurrent_version_days
    }

    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  # Rules on old versions mean nothing before there are versions.
  depends_on = [aws_s3_bucket_versioning.notebooks]
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "OnlyOverTLS"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.notebooks.arn, "${aws_s3_bucket.notebooks.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "notebooks" {
  bucket = aws_s3_bucket.notebooks.id
  policy = data.aws_iam_policy_document.bucket.json

  # S3 refuses one of two changes of a bucket that come at once.
  depends_on = [aws_s3_bucket_public_access_block.notebooks]
}

# What the service calls, on the prefix that its STORE_URL names, and nothing else:
# no versions, no settings of the bucket, no other key.
data "aws_iam_policy_document" "store" {
  statement {
    sid       = "KeepNotebooks"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${aws_s3_bucket.notebooks.arn}/${var.bucket.prefix}/*"]
  }

  # It also makes a notebook that isn't there a 404; to who may not list, S3 says
  # 403. That question carries no prefix, hence "IfExists".
  statement {
    sid       = "ListNotebooks"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.notebooks.arn]

    condition {
      test     = "StringEqualsIfExists"
      variable = "s3:prefix"
      values   = ["${var.bucket.prefix}/"]
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "UseTheBucketsKey"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      # With a bucket key, S3 names the bucket to KMS, not the object.
      condition {
        test     = "StringEquals"
        variable = "kms:EncryptionContext:aws:s3:arn"
        values   = [aws_s3_bucket.notebooks.arn]
      }
    }
  }
}
