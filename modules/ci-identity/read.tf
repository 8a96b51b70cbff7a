# What a plan reads: the provider asks about everything that is in the state. Of the
# environment's secrets it asks for the values, too, though it keeps none; that is why
# the role that only plans may read them.

data "aws_iam_policy_document" "read" {
  for_each = local.workspaces

  # Descriptions and lists, most of which have no resources to narrow them to.
  statement {
    sid = "Describe"
    actions = [
      "acm:Describe*", "acm:List*", "application-autoscaling:Describe*", "application-autoscaling:ListTagsForResource", "budgets:Describe*",
      "budgets:List*", "budgets:ViewBudget", "cloudfront:Describe*", "cloudfront:List*", "cloudwatch:Describe*", "cloudwatch:List*", "codedeploy:List*", "ec2:Describe*",
      "ec2:GetManagedPrefixListEntries", "ecr:Describe*", "ecr:List*", "ecs:Describe*", "ecs:List*", "elasticache:Describe*", "elasticache:List*",
      "elasticloadbalancing:Describe*", "iam:ListOpenIDConnectProviders", "kms:Describe*", "kms:List*", "logs:Describe*", "logs:List*",
      "rds:Describe*", "rds:List*", "route53:List*", "secretsmanager:GetRandomPassword", "secretsmanager:List*", "sns:List*", "wafv2:List*",
      "logs:GetDelivery", "logs:GetDeliveryDestination", "logs:GetDeliverySource", "route53:GetChange", "route53:GetHostedZone", "wafv2:GetWebACLForResource",
    ]
    resources = ["*"]
  }

  statement {
    sid = "ReadOwnRolesAndPolicies"
    actions = [
      "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole",
      "iam:ListPolicyTags", "iam:ListPolicyVersions", "iam:ListRolePolicies", "iam:ListRoleTags",
    ]
    resources = [
      "arn:${local.partition}:iam::${local.account}:role/${local.scope[each.key]}*",
      "arn:${local.partition}:iam::${local.account}:policy/${local.scope[each.key]}*",
    ]
  }

  statement {
    sid = "ReadOwnBuckets"
    actions = [
      "s3:GetAccelerateConfiguration", "s3:GetBucket*", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration", "s3:ListBucket*",
    ]
    resources = ["arn:${local.partition}:s3:::${local.scope[each.key]}-*"]
  }

  statement {
    sid       = "ReadOwnSecrets"
    actions   = ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy", "secretsmanager:GetSecretValue"]
    resources = ["arn:${local.partition}:secretsmanager:*:${local.account}:secret:${local.scope[each.key]}-*"]
  }

  statement {
    sid     = "ReadTheEdge"
    actions = ["cloudfront:Get*"]
    resources = [for kind in ["distribution", "function", "origin-access-control", "response-headers-policy", "vpcorigin"] :
      "arn:${local.partition}:cloudfront::${local.account}:${kind}/*"
    ]
  }

  statement {
    sid = "ReadOwnParts"
    actions = [
      "cloudwatch:GetDashboard", "codedeploy:BatchGetDeploymentGroups", "codedeploy:GetApplication", "codedeploy:GetDeploymentConfig",
      "codedeploy:GetDeploymentGroup", "sns:GetSubscriptionAttributes", "sns:GetTopicAttributes", "wafv2:GetLoggingConfiguration", "wafv2:GetWebACL",
    ]
    resources = [
      "arn:${local.partition}:cloudwatch::${local.account}:dashboard/${local.scope[each.key]}*",
      "arn:${local.partition}:codedeploy:*:${local.account}:*:${local.scope[each.key]}*",
      "arn:${local.partition}:sns:*:${local.account}:${local.scope[each.key]}*",
      "arn:${local.partition}:wafv2:*:${local.account}:*/webacl/${local.scope[each.key]}*/*",
    ]
  }

  statement {
    sid       = "ReadKeys"
    actions   = ["kms:GetKeyPolicy", "kms:GetKeyRotationStatus"]
    resources = ["arn:${local.partition}:kms:*:${local.account}:key/*"]
  }
}

resource "aws_iam_policy" "read" {
  for_each = local.workspaces

  name        = "${local.scope[each.key]}-ci-read"
  description = "What a plan of ${local.scope[each.key]} reads"
  policy      = data.aws_iam_policy_document.read[each.key].json
}
