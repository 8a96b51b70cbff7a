data "aws_iam_policy_document" "github_trust" {
  for_each = var.github == null ? {} : merge(
    { build = var.github.build_environment },
    { for environment, name in local.deployers : "deploy-${environment}" => name },
  )

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.github_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.github_host}:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.github_host}:sub"
      values   = ["repo:${var.github.repository}:environment:${each.value}"]
    }
  }
}

resource "aws_iam_role" "github" {
  for_each = data.aws_iam_policy_document.github_trust

  name                 = "${var.name_prefix}-github-${each.key}"
  description          = "GitHub jobs of ${var.github.repository}: ${each.key}"
  assume_role_policy   = each.value.json
  max_session_duration = 3600
}

# Tags are immutable, so that a pusher can add images and replace none.
data "aws_iam_policy_document" "github_build" {
  count = var.github == null ? 0 : 1

  statement {
    sid = "PushImages"
    actions = [
      "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
      "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
    ]
    resources = [var.repository_arn]
  }

  statement {
    sid     = "LogInToRegistry"
    actions = ["ecr:GetAuthorizationToken"]
    # The action has no resources.
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "github_build" {
  count = var.github == null ? 0 : 1

  name   = "push-images"
  role   = aws_iam_role.github["build"].id
  policy = data.aws_iam_policy_document.github_build[0].json
}

# After Terraform: the page into its bucket, the old one out of CloudFront's caches,
# and a look at whether the service stands.
data "aws_iam_policy_document" "github_deploy" {
  for_each = local.deployers

  statement {
    sid       = "PublishThePage"
    actions   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = ["arn:${local.partition}:s3:::${var.name_prefix}-${each.key}-frontend-${local.account}/*"]
  }

  statement {
    sid       = "ListThePage"
    actions   = ["s3:ListBucket"]
    resources = ["arn:${local.partition}:s3:::${var.name_prefix}-${each.key}-frontend-${local.account}"]
  }

  # A distribution's name is made by AWS; its tag is ours.
  statement {
    sid       = "InvalidateCaches"
    actions   = ["cloudfront:CreateInvalidation", "cloudfront:GetInvalidation"]
    resources = ["arn:${local.partition}:cloudfront::${local.account}:distribution/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Environment"
      values   = [each.key]
    }
  }

  statement {
    sid       = "LookAtTheService"
    actions   = ["ecs:DescribeServices"]
    resources = [for region in local.regions : "arn:${local.partition}:ecs:${region}:${local.account}:service/${var.name_prefix}-${each.key}/*"]
  }
}

resource "aws_iam_role_policy" "github_deploy" {
  for_each = local.deployers

  name   = "publish"
  role   = aws_iam_role.github["deploy-${each.key}"].id
  policy = data.aws_iam_policy_document.github_deploy[each.key].json
}
