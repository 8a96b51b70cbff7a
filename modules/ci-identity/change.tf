# What an apply changes, in parts, as a policy holds 6144 characters. Three ways keep
# it to its environment: names, where an ARN has them; the tag Environment, where ids
# are made by AWS; and the regions.

locals {
  # By environment: the start of every name.
  scope = { for environment in keys(local.workspaces) : environment => "${var.name_prefix}-${environment}" }

  # What EC2 makes anew, with its tags, by the action that makes it.
  ec2_makes = {
    AllocateAddress                 = ["elastic-ip"]
    AuthorizeSecurityGroupEgress    = ["security-group-rule"]
    AuthorizeSecurityGroupIngress   = ["security-group-rule"]
    CreateFlowLogs                  = ["vpc-flow-log"]
    CreateInternetGateway           = ["internet-gateway"]
    CreateNatGateway                = ["natgateway"]
    CreateRouteTable                = ["route-table"]
    CreateSecurityGroup             = ["security-group"]
    CreateSubnet                    = ["subnet"]
    CreateVpc                       = ["vpc"]
    CreateVpcEndpoint               = ["vpc-endpoint"]
    CreateEgressOnlyInternetGateway = ["egress-only-internet-gateway"]
  }

  change_parts = ["network", "service", "edge", "data", "watch", "roles"]

  change_policies = merge([for environment in keys(local.workspaces) : {
    for part in local.change_parts : "${environment}-${part}" => { environment = environment, part = part }
  }]...)

  change_documents = merge(
    { for environment, document in data.aws_iam_policy_document.network : "${environment}-network" => document.json },
    { for environment, document in data.aws_iam_policy_document.service : "${environment}-service" => document.json },
    { for environment, document in data.aws_iam_policy_document.edge : "${environment}-edge" => document.json },
    { for environment, document in data.aws_iam_policy_document.data : "${environment}-data" => document.json },
    { for environment, document in data.aws_iam_policy_document.watch : "${environment}-watch" => document.json },
    { for environment, document in data.aws_iam_policy_document.roles : "${environment}-roles" => document.json },
  )
}

resource "aws_iam_policy" "change" {
  for_each = local.change_policies

  name        = "${local.scope[each.value.environment]}-ci-${each.value.part}"
  description = "What an apply of ${local.scope[each.value.environment]} changes: ${each.value.part}"
  policy      = local.change_documents[each.key]

  lifecycle {
    precondition {
      condition     = length(replace(local.change_documents[each.key], "/\\s/", "")) <= 6144
      error_message = "The policy ${each.key} has more than the 6144 characters that IAM allows: give fewer regions."
    }
  }
}

data "aws_iam_policy_document" "network" {
  for_each = local.workspaces

  # New things of the environment bear its tag.
  statement {
    sid       = "MakeTagged"
    actions   = [for action in keys(local.ec2_makes) : "ec2:${action}"]
    resources = [for kind in sort(distinct(flatten(values(local.ec2_makes)))) : "arn:${local.partition}:ec2:*:${local.account}:${kind}/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Environment"
      values   = [each.key]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }
  }

  statement {
    sid       = "TagWhatIsMade"
    actions   = ["ec2:CreateTags"]
    resources = ["arn:${local.partition}:ec2:*:${local.account}:*/*"]

    condition {
      test     = "StringEquals"
      variable = "ec2:CreateAction"
      values   = keys(local.ec2_makes)
    }
  }

  # What bears the tag may be changed, used for what is made, and taken away.
  statement {
    sid = "ChangeOwn"
    actions = concat([for action in keys(local.ec2_makes) : "ec2:${action}"], [
      "ec2:AssociateRouteTable", "ec2:AssociateVpcCidrBlock", "ec2:AttachInternetGateway", "ec2:CreateRoute", "ec2:CreateTags",
      "ec2:DeleteEgressOnlyInternetGateway", "ec2:DeleteFlowLogs", "ec2:DeleteInternetGateway", "ec2:DeleteNatGateway",
      "ec2:DeleteRoute", "ec2:DeleteRouteTable", "ec2:DeleteSecurityGroup", "ec2:DeleteSubnet", "ec2:DeleteTags", "ec2:DeleteVpc",
      "ec2:DeleteVpcEndpoints", "ec2:DetachInternetGateway", "ec2:DisassociateAddress", "ec2:DisassociateRouteTable",
      "ec2:DisassociateVpcCidrBlock", "ec2:ModifySecurityGroupRules", "ec2:ModifySubnetAttribute", "ec2:ModifyVpcAttribute",
      "ec2:ModifyVpcEndpoint", "ec2:ReleaseAddress", "ec2:ReplaceRoute", "ec2:ReplaceRouteTableAssociation",
      "ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress", "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
      "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
    ])
    resources = ["arn:${local.partition}:ec2:*:${local.account}:*/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Environment"
      values   = [each.key]
    }
  }

  # A VPC's default security group comes without tags, and is closed before it gets
  # them.
  statement {
    sid       = "CloseDefaultGroups"
    actions   = ["ec2:CreateTags", "ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"]
    resources = ["arn:${local.partition}:ec2:*:${local.account}:security-group/*"]

    condition {
      test     = "Null"
      variable = "aws:ResourceTag/Environment"
      values   = ["true"]
    }
  }

  # Disassociating an address names its network interface, which is AWS's own.
  statement {
    sid       = "LetGoOfAddresses"
    actions   = ["ec2:DisassociateAddress"]
    resources = ["arn:${local.partition}:ec2:*:${local.account}:network-interface/*"]
  }
}

data "aws_iam_policy_document" "service" {
  for_each = local.workspaces

  statement {
    sid = "RunTheService"
    actions = [
      "ecs:CreateCluster", "ecs:CreateService", "ecs:CreateTaskSet", "ecs:DeleteCluster", "ecs:DeleteService", "ecs:DeleteTaskSet", "ecs:PutClusterCapacityProviders",
      "ecs:StopServiceDeployment", "ecs:TagResource", "ecs:UntagResource", "ecs:UpdateCluster", "ecs:UpdateClusterSettings", "ecs:UpdateService",
    ]
    resources = [for kind in ["cluster", "service", "service-deployment", "task-definition", "task-set"] : "arn:${local.partition}:ecs:*:${local.account}:${kind}/${local.scope[each.key]}*"]
  }

  statement {
    sid       = "RegisterTaskDefinitions"
    actions   = ["ecs:RegisterTaskDefinition"]
    resources = ["arn:${local.partition}:ecs:*:${local.account}:task-definition/${local.scope[each.key]}*:*"]
  }

  statement {
    sid     = "ForgetTaskDefinitions"
    actions = ["ecs:DeregisterTaskDefinition"]
    # The action has no resources. What is forgotten can't be started, and runs on.
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }
  }

  statement {
    sid = "BalanceLoad"
    actions = [
      "elasticloadbalancing:AddTags", "elasticloadbalancing:AddListenerCertificates", "elasticloadbalancing:CreateListener", "elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:CreateRule",
      "elasticloadbalancing:CreateTargetGroup", "elasticloadbalancing:DeleteListener", "elasticloadbalancing:DeleteLoadBalancer", "elasticloadbalancing:DeleteRule",
      "elasticloadbalancing:DeleteTargetGroup", "elasticloadbalancing:ModifyListener", "elasticloadbalancing:ModifyListenerAttributes", "elasticloadbalancing:ModifyLoadBalancerAttributes",
      "elasticloadbalancing:ModifyRule", "elasticloadbalancing:ModifyTargetGroup", "elasticloadbalancing:ModifyTargetGroupAttributes", "elasticloadbalancing:RemoveListenerCertificates", "elasticloadbalancing:RemoveTags",
      "elasticloadbalancing:SetIpAddressType", "elasticloadbalancing:SetSecurityGroups", "elasticloadbalancing:SetSubnets",
    ]
    # A target group's name is cut to leave room for the end of it.
    resources = [
      "arn:${local.partition}:elasticloadbalancing:*:${local.account}:loadbalancer/app/${local.scope[each.key]}*/*",
      "arn:${local.partition}:elasticloadbalancing:*:${local.account}:listener/app/${local.scope[each.key]}*/*/*",
      "arn:${local.partition}:elasticloadbalancing:*:${local.account}:listener-rule/app/${local.scope[each.key]}*/*/*/*",
      "arn:${local.partition}:elasticloadbalancing:*:${local.account}:targetgroup/${substr(local.scope[each.key], 0, 21)}*/*",
    ]
  }

  statement {
    sid = "Scale"
    actions = [
      "application-autoscaling:DeleteScalingPolicy", "application-autoscaling:DeleteScheduledAction", "application-autoscaling:DeregisterScalableTarget",
      "application-autoscaling:PutScalingPolicy", "application-autoscaling:PutScheduledAction", "application-autoscaling:RegisterScalableTarget",
      "application-autoscaling:TagResource", "application-autoscaling:UntagResource",
    ]
    resources = ["arn:${local.partition}:application-autoscaling:*:${local.account}:scalable-target/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }
  }

  statement {
    sid = "DeployBlueGreen"
    actions = [
      "codedeploy:CreateApplication", "codedeploy:CreateDeployment", "codedeploy:CreateDeploymentGroup", "codedeploy:DeleteApplication", "codedeploy:DeleteDeploymentGroup",
      "codedeploy:TagResource", "codedeploy:UntagResource", "codedeploy:UpdateApplication", "codedeploy:UpdateDeploymentGroup",
    ]
    resources = ["arn:${local.partition}:codedeploy:*:${local.account}:*:${local.scope[each.key]}*"]
  }
}

data "aws_iam_policy_document" "edge" {
  for_each = local.workspaces

  statement {
    sid = "MakeTheEdge"
    # CloudFront's ids are made by AWS; what isn't a distribution or a VPC origin has no
    # tags to go by either.
    actions = [
      "cloudfront:CreateFunction", "cloudfront:CreateOriginAccessControl", "cloudfront:CreateResponseHeadersPolicy",
      "cloudfront:DeleteFunction", "cloudfront:DeleteOriginAccessControl", "cloudfront:DeleteResponseHeadersPolicy",
      "cloudfront:PublishFunction", "cloudfront:UpdateFunction", "cloudfront:UpdateOriginAccessControl", "cloudfront:UpdateResponseHeadersPolicy",
    ]
    resources = [
      "arn:${local.partition}:cloudfront::${local.account}:function/${local.scope[each.key]}*",
      "arn:${local.partition}:cloudfront::${local.account}:origin-access-control/*",
      "arn:${local.partition}:cloudfront::${local.account}:response-headers-policy/*",
    ]
  }

  statement {
    sid       = "MakeTagged"
    actions   = ["cloudfront:CreateDistribution", "cloudfront:CreateDistributionWithTags", "cloudfront:CreateVpcOrigin", "cloudfront:TagResource"]
    resources = [for kind in ["distribution", "vpcorigin"] : "arn:${local.partition}:cloudfront::${local.account}:${kind}/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Environment"
      values   = [each.key]
    }
  }

  statement {
    sid = "ChangeOwn"
    actions = [
      "cloudfront:AllowVendedLogDeliveryForResource", "cloudfront:CreateDistribution", "cloudfront:CreateInvalidation", "cloudfront:DeleteDistribution", "cloudfront:DeleteVpcOrigin", "cloudfront:TagResource",
      "cloudfront:UntagResource", "cloudfront:UpdateDistribution", "cloudfront:UpdateVpcOrigin",
    ]
    resources = [for kind in ["distribution", "vpcorigin"] : "arn:${local.partition}:cloudfront::${local.account}:${kind}/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Environment"
      values   = [each.key]
    }
  }

  # CloudFront looks at the load balancer for its VPC origin and makes interfaces with
  # the caller's permissions.
  statement {
    sid       = "LetCloudFrontIn"
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["arn:${local.partition}:iam::${local.account}:role/aws-service-role/*"]

    condition {
      test     = "StringEquals"
      variable = "iam:AWSServiceName"
      values = [
        "ecs.amazonaws.com", "ecs.application-autoscaling.amazonaws.com", "elasticache.amazonaws.com", "elasticloadbalancing.amazonaws.com",
        "rds.amazonaws.com", "vpcorigin.cloudfront.amazonaws.com",
      ]
    }
  }

  statement {
    sid       = "FilterRequests"
    actions   = ["wafv2:AssociateWebACL", "wafv2:CreateWebACL", "wafv2:DeleteLoggingConfiguration", "wafv2:DeleteWebACL", "wafv2:DisassociateWebACL", "wafv2:PutLoggingConfiguration", "wafv2:TagResource", "wafv2:UntagResource", "wafv2:UpdateWebACL"]
    resources = ["arn:${local.partition}:wafv2:*:${local.account}:*/webacl/${local.scope[each.key]}*/*", "arn:${local.partition}:wafv2:*:${local.account}:*/managedruleset/*/*"]
  }

  statement {
    sid       = "RequestCertificates"
    actions   = ["acm:AddTagsToCertificate", "acm:RequestCertificate"]
    resources = ["arn:${local.partition}:acm:*:${local.account}:certificate/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Environment"
      values   = [each.key]
    }
  }

  statement {
    sid       = "ChangeOwnCertificates"
    actions   = ["acm:AddTagsToCertificate", "acm:DeleteCertificate", "acm:RemoveTagsFromCertificate", "acm:UpdateCertificateOptions"]
    resources = ["arn:${local.partition}:acm:*:${local.account}:certificate/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Environment"
      values   = [each.key]
    }
  }

  # The zone is the account's and stays; records in it come and go.
  statement {
    sid       = "NameThePage"
    actions   = ["route53:ChangeResourceRecordSets"]
    resources = ["arn:${local.partition}:route53:::hostedzone/*"]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "route53:ChangeResourceRecordSetsRecordTypes"
      values   = ["A", "AAAA", "CNAME"]
    }
  }
}

data "aws_iam_policy_document" "data" {
  for_each = local.workspaces

  statement {
    sid = "KeepBuckets"
    actions = [
      "s3:CreateBucket", "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions", "s3:PutBucketAcl",
      "s3:PutBucketLogging", "s3:PutBucketOwnershipControls", "s3:PutBucketPolicy", "s3:PutBucketPublicAccessBlock", "s3:PutBucketTagging", "s3:PutBucketVersioning",
      "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration", "s3:PutObject",
    ]
    resources = ["arn:${local.partition}:s3:::${local.scope[each.key]}-*"]
  }

  statement {
    sid = "KeepSecrets"
    actions = [
      "secretsmanager:CreateSecret", "secretsmanager:DeleteSecret", "secretsmanager:PutSecretValue", "secretsmanager:TagResource",
      "secretsmanager:UntagResource", "secretsmanager:UpdateSecret", "secretsmanager:UpdateSecretVersionStage",
    ]
    resources = ["arn:${local.partition}:secretsmanager:*:${local.account}:secret:${local.scope[each.key]}-*"]
  }

  statement {
    sid = "KeepDatabases"
    actions = [
      "rds:AddTagsToResource", "rds:CreateDBInstance", "rds:CreateDBParameterGroup", "rds:CreateDBSnapshot", "rds:CreateDBSubnetGroup", "rds:DeleteDBInstance",
      "rds:DeleteDBParameterGroup", "rds:DeleteDBSubnetGroup", "rds:ModifyDBInstance", "rds:ModifyDBParameterGroup", "rds:ModifyDBSubnetGroup",
      "rds:RebootDBInstance", "rds:RemoveTagsFromResource", "rds:ResetDBParameterGroup",
    ]
    resources = [for kind in ["db", "pg", "snapshot", "subgrp"] : "arn:${local.partition}:rds:*:${local.account}:${kind}:${local.scope[each.key]}*"]
  }

  statement {
    sid = "KeepCaches"
    actions = [
      "elasticache:AddTagsToResource", "elasticache:CreateCacheSubnetGroup", "elasticache:CreateReplicationGroup", "elasticache:CreateUser", "elasticache:CreateUserGroup",
      "elasticache:DecreaseReplicaCount", "elasticache:DeleteCacheSubnetGroup", "elasticache:DeleteReplicationGroup", "elasticache:DeleteUser", "elasticache:DeleteUserGroup", "elasticache:IncreaseReplicaCount",
      "elasticache:ModifyCacheSubnetGroup", "elasticache:ModifyReplicationGroup", "elasticache:ModifyUser", "elasticache:ModifyUserGroup", "elasticache:RemoveTagsFromResource",
    ]
    resources = concat(
      [for kind in ["cluster", "replicationgroup", "snapshot", "subnetgroup", "user", "usergroup"] : "arn:${local.partition}:elasticache:*:${local.account}:${kind}:${local.scope[each.key]}*"],
      ["arn:${local.partition}:elasticache:*:${local.account}:parametergroup:default.*"],
    )
  }

  statement {
    sid       = "MakeKeys"
    actions   = ["kms:CreateKey", "kms:TagResource"]
    resources = ["*"] # a key has no name before it is made

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Environment"
      values   = [each.key]
    }
  }

  statement {
    sid = "UseOwnKeys"
    actions = [
      "kms:CreateGrant", "kms:Decrypt", "kms:DisableKeyRotation", "kms:EnableKeyRotation", "kms:GenerateDataKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion",
      "kms:TagResource", "kms:UntagResource", "kms:UpdateKeyDescription",
    ]
    resources = ["arn:${local.partition}:kms:*:${local.account}:key/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Environment"
      values   = [each.key]
    }
  }
}

data "aws_iam_policy_document" "watch" {
  for_each = local.workspaces

  statement {
    sid = "KeepLogs"
    actions = [
      "logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:DeleteMetricFilter", "logs:DeleteRetentionPolicy", "logs:DisassociateKmsKey",
      "logs:PutMetricFilter", "logs:PutRetentionPolicy", "logs:TagLogGroup", "logs:TagResource", "logs:UntagLogGroup", "logs:UntagResource",
    ]
    resources = [for name in ["", "/ecs/", "/vpc/", "/aws/ecs/*", "/aws/rds/instance/", "/aws/vpc/", "aws-waf-logs-"] : "arn:${local.partition}:logs:*:${local.account}:log-group:${name}${local.scope[each.key]}*"]
  }

  # Log delivery of VPCs and web ACLs is set up by whoever wants it; the actions have no
  # resources.
  statement {
    sid = "DeliverLogs"
    actions = [
      "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeResourcePolicies", "logs:GetLogDelivery", "logs:ListLogDeliveries",
      "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
    ]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }
  }

  statement {
    sid = "DeliverAccessLogs"
    actions = [
      "logs:CreateDelivery", "logs:DeleteDelivery", "logs:DeleteDeliveryDestination", "logs:DeleteDeliverySource", "logs:PutDeliveryDestination",
      "logs:PutDeliverySource", "logs:UpdateDeliveryConfiguration",
    ]
    resources = [for kind in ["delivery:*", "delivery-destination:${local.scope[each.key]}*", "delivery-source:${local.scope[each.key]}*"] : "arn:${local.partition}:logs:*:${local.account}:${kind}"]
  }

  statement {
    sid       = "RaiseAlarms"
    actions   = ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource"]
    resources = ["arn:${local.partition}:cloudwatch:*:${local.account}:alarm:${local.scope[each.key]}*"]
  }

  statement {
    sid       = "ShowDashboards"
    actions   = ["cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard"]
    resources = ["arn:${local.partition}:cloudwatch::${local.account}:dashboard/${local.scope[each.key]}*"]
  }

  statement {
    sid       = "TellPeople"
    actions   = ["sns:CreateTopic", "sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:TagResource", "sns:Unsubscribe", "sns:UntagResource"]
    resources = ["arn:${local.partition}:sns:*:${local.account}:${local.scope[each.key]}*"]
  }

  statement {
    sid       = "WatchSpending"
    actions   = ["budgets:ModifyBudget", "budgets:TagResource", "budgets:UntagResource"]
    resources = ["arn:${local.partition}:budgets::${local.account}:budget/${local.scope[each.key]}*"]
  }
}

data "aws_iam_policy_document" "roles" {
  for_each = local.workspaces

  # No role is made, and none is given anything, without the boundary.
  statement {
    sid       = "MakeBoundedRoles"
    actions   = ["iam:AttachRolePolicy", "iam:CreateRole", "iam:DetachRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"]
    resources = ["arn:${local.partition}:iam::${local.account}:role/${local.scope[each.key]}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [aws_iam_policy.boundary[each.key].arn]
    }
  }

  statement {
    sid = "ChangeOwnRoles"
    actions = [
      "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription",
    ]
    resources = ["arn:${local.partition}:iam::${local.account}:role/${local.scope[each.key]}-*"]
  }

  statement {
    sid       = "GiveRolesToServices"
    actions   = ["iam:PassRole"]
    resources = ["arn:${local.partition}:iam::${local.account}:role/${local.scope[each.key]}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["codedeploy.amazonaws.com", "ecs-tasks.amazonaws.com", "ecs.amazonaws.com", "vpc-flow-logs.amazonaws.com"]
    }
  }
}
