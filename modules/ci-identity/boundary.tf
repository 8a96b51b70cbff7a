# The most that a role made by an apply can ever do. Whoever can make roles can give
# them anything; with this on each of them, they can't give more than an environment
# needs, and nothing at all in IAM.

data "aws_iam_policy_document" "boundary" {
  for_each = local.workspaces

  statement {
    sid = "RunAndLog"
    actions = [
      "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer",
      "logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:PutLogEvents",
      "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "KeepNotebooks"
    actions   = ["s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"]
    resources = ["arn:${local.partition}:s3:::${local.scope[each.key]}-*"]
  }

  statement {
    sid       = "ReadSecrets"
    actions   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
    resources = ["arn:${local.partition}:secretsmanager:*:${local.account}:secret:${local.scope[each.key]}-*"]
  }

  statement {
    sid       = "SignInToValkey"
    actions   = ["elasticache:Connect"]
    resources = ["arn:${local.partition}:elasticache:*:${local.account}:*:${local.scope[each.key]}*"]
  }

  statement {
    sid       = "UseKeysByServices"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["arn:${local.partition}:kms:*:${local.account}:key/*"]

    condition {
      test     = "StringLike"
      variable = "kms:ViaService"
      values   = ["s3.*.amazonaws.com", "secretsmanager.*.amazonaws.com"]
    }
  }

  # CodeDeploy's role, where deployments are blue and green.
  statement {
    sid = "ShiftTraffic"
    actions = [
      "cloudwatch:DescribeAlarms", "ecs:CreateTaskSet", "ecs:DeleteTaskSet", "ecs:DescribeServices", "ecs:UpdateServicePrimaryTaskSet",
      "elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTargetGroups",
      "elasticloadbalancing:ModifyListener", "elasticloadbalancing:ModifyRule",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "HandTaskRolesOn"
    actions   = ["iam:PassRole"]
    resources = ["arn:${local.partition}:iam::${local.account}:role/${local.scope[each.key]}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_policy" "boundary" {
  for_each = local.workspaces

  name        = "${local.scope[each.key]}-ci-boundary"
  description = "The most that roles of ${local.scope[each.key]} can do"
  policy      = data.aws_iam_policy_document.boundary[each.key].json
}
