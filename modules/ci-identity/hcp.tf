# Two roles for each workspace: a run that only plans can't be talked into changing
# anything, whatever is in the configuration that it plans.

locals {
  hcp_roles = merge([for environment, workspace in local.workspaces : {
    for phase in ["plan", "apply"] : "${environment}-${phase}" => { environment = environment, workspace = workspace, phase = phase }
  }]...)
}

data "aws_iam_policy_document" "hcp_trust" {
  for_each = local.hcp_roles

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.hcp_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.hcp_host}:aud"
      values   = ["aws.workload.identity"]
    }

    # The whole subject, without a wildcard.
    condition {
      test     = "StringEquals"
      variable = "${local.hcp_host}:sub"
      values   = ["organization:${var.hcp_terraform.organization}:project:${var.hcp_terraform.project}:workspace:${each.value.workspace}:run_phase:${each.value.phase}"]
    }
  }
}

resource "aws_iam_role" "hcp" {
  for_each = local.hcp_roles

  name                 = "${var.name_prefix}-hcp-${each.key}"
  description          = "HCP Terraform, workspace ${each.value.workspace}, run phase ${each.value.phase}"
  assume_role_policy   = data.aws_iam_policy_document.hcp_trust[each.key].json
  max_session_duration = each.value.phase == "apply" ? 7200 : 3600
}

resource "aws_iam_role_policy_attachment" "hcp_read" {
  for_each = local.hcp_roles

  role       = aws_iam_role.hcp[each.key].name
  policy_arn = aws_iam_policy.read[each.value.environment].arn
}

resource "aws_iam_role_policy_attachment" "hcp_change" {
  for_each = merge([for name, role in local.hcp_roles : {
    for part in local.change_parts : "${name}-${part}" => { role = name, policy = "${role.environment}-${part}" }
  } if role.phase == "apply"]...)

  role       = aws_iam_role.hcp[each.value.role].name
  policy_arn = aws_iam_policy.change[each.value.policy].arn
}
