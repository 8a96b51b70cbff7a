# The module's rules, on a mocked provider.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/made-here" }
  }
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/test-dev-ci-boundary" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/test" }
  }
}

variables {
  name_prefix    = "test"
  regions        = ["eu-north-1"]
  hcp_terraform  = { organization = "example", workspaces = { dev = "test-dev" } }
  github         = { repository = "example/notebooks", deploy_environments = { dev = "dev" } }
  repository_arn = "arn:aws:ecr:eu-north-1:123456789012:repository/test"
}

run "each_role_trusts_one_subject" {
  assert {
    condition = jsonencode({ for name, document in data.aws_iam_policy_document.hcp_trust : name => { for c in document.statement[0].condition : "${c.test} ${c.variable}" => c.values } }) == jsonencode({
      dev-apply = { "StringEquals app.terraform.io:aud" = ["aws.workload.identity"], "StringEquals app.terraform.io:sub" = ["organization:example:project:Default Project:workspace:test-dev:run_phase:apply"] }
      dev-plan  = { "StringEquals app.terraform.io:aud" = ["aws.workload.identity"], "StringEquals app.terraform.io:sub" = ["organization:example:project:Default Project:workspace:test-dev:run_phase:plan"] }
    })
    error_message = "one organization, project, workspace and phase, compared whole"
  }
  assert {
    condition = jsonencode({ for name, document in data.aws_iam_policy_document.github_trust : name => { for c in document.statement[0].condition : "${c.test} ${c.variable}" => c.values } }) == jsonencode({
      build      = { "StringEquals token.actions.githubusercontent.com:aud" = ["sts.amazonaws.com"], "StringEquals token.actions.githubusercontent.com:sub" = ["repo:example/notebooks:environment:build"] }
      deploy-dev = { "StringEquals token.actions.githubusercontent.com:aud" = ["sts.amazonaws.com"], "StringEquals token.actions.githubusercontent.com:sub" = ["repo:example/notebooks:environment:dev"] }
    })
    error_message = "one repository and environment, compared whole"
  }
}

run "who_plans_changes_nothing" {
  assert {
    condition     = { for key, one in aws_iam_role_policy_attachment.hcp_change : key => one.role if strcontains(one.role, "-plan") } == {}
    error_message = "no policy of the apply role is the plan role's"
  }
  assert {
    condition     = length(aws_iam_role_policy_attachment.hcp_change) == 6 && keys(aws_iam_role_policy_attachment.hcp_read) == ["dev-apply", "dev-plan"]
    error_message = "the apply role has all the parts, and both may read"
  }
  assert {
    condition = alltrue(flatten([for statement in data.aws_iam_policy_document.read["dev"].statement : [
      for action in statement.actions : can(regex("^[a-z0-9-]+:(BatchGet|Describe|Get|List|View)", action))
    ]]))
    error_message = "the plan role reads"
  }
}

run "roles_are_made_with_the_boundary_only" {
  assert {
    condition = alltrue([for statement in data.aws_iam_policy_document.roles["dev"].statement :
      anytrue([for c in statement.condition : c.variable == "iam:PermissionsBoundary" && c.values == tolist([aws_iam_policy.boundary["dev"].arn])])
      if length(setintersection(statement.actions, ["iam:AttachRolePolicy", "iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"])) > 0
    ])
    error_message = "whoever makes a role bounds it"
  }
  assert {
    condition = length(setintersection(flatten([for document in [data.aws_iam_policy_document.roles["dev"], data.aws_iam_policy_document.data["dev"], data.aws_iam_policy_document.service["dev"]] : [for s in document.statement : s.actions]]), [
      "iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:DeleteRolePermissionsBoundary", "iam:SetDefaultPolicyVersion", "iam:CreateUser", "iam:CreateAccessKey",
    ])) == 0
    error_message = "nobody loosens the boundary or makes keys"
  }
  assert {
    condition     = alltrue([for statement in data.aws_iam_policy_document.boundary["dev"].statement : alltrue([for action in statement.actions : !startswith(action, "iam:") || action == "iam:PassRole"])])
    error_message = "a role made by an apply can do nothing in IAM"
  }
}

run "no_change_of_everything" {
  assert {
    condition = alltrue(flatten([for documents in [
      data.aws_iam_policy_document.network, data.aws_iam_policy_document.service, data.aws_iam_policy_document.edge,
      data.aws_iam_policy_document.data, data.aws_iam_policy_document.watch, data.aws_iam_policy_document.roles,
    ] : [for s in documents["dev"].statement : [for action in s.actions : !strcontains(action, "*")]]]))
    error_message = "each change is named"
  }
  assert {
    condition = alltrue(flatten([for documents in [
      data.aws_iam_policy_document.network, data.aws_iam_policy_document.service, data.aws_iam_policy_document.edge,
      data.aws_iam_policy_document.data, data.aws_iam_policy_document.watch, data.aws_iam_policy_document.roles,
    ] : [for s in documents["dev"].statement : length(s.condition) > 0 if contains(s.resources, "*")]]))
    error_message = "what has no resources has conditions"
  }
}

run "no_identity_without_being_asked" {
  variables {
    hcp_terraform  = null
    github         = null
    repository_arn = null
  }

  assert {
    condition     = length(aws_iam_role.hcp) + length(aws_iam_role.github) + length(aws_iam_policy.read) + length(aws_iam_openid_connect_provider.hcp_terraform) + length(aws_iam_openid_connect_provider.github) == 0
    error_message = "nothing is trusted by default"
  }
}

run "providers_that_are_there" {
  variables {
    oidc_providers = { hcp_terraform = "arn:aws:iam::123456789012:oidc-provider/app.terraform.io", github = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.hcp_terraform) + length(aws_iam_openid_connect_provider.github) == 0
    error_message = "an account has one of each"
  }
  assert {
    condition     = one(one(data.aws_iam_policy_document.hcp_trust["dev-plan"].statement[0].principals).identifiers) == "arn:aws:iam::123456789012:oidc-provider/app.terraform.io"
    error_message = "the given one is trusted"
  }
}

run "name_too_long" {
  command = plan
  variables {
    name_prefix = "a-name-of-more-than-twenty-four"
  }
  expect_failures = [var.name_prefix]
}

run "nowhere" {
  command = plan
  variables {
    regions = []
  }
  expect_failures = [var.regions]
}

run "every_workspace" {
  command = plan
  variables {
    hcp_terraform = { organization = "example", workspaces = { dev = "*" } }
  }
  expect_failures = [var.hcp_terraform]
}

run "an_environment_with_capitals" {
  command = plan
  variables {
    hcp_terraform = { organization = "example", workspaces = { Dev = "test-dev" } }
  }
  expect_failures = [var.hcp_terraform]
}

run "one_name_begins_the_other" {
  command = plan
  variables {
    hcp_terraform = { organization = "example", workspaces = { dev = "test-dev", dev2 = "test-dev2" } }
  }
  expect_failures = [var.hcp_terraform]
}

run "every_repository" {
  command = plan
  variables {
    github = { repository = "example/*" }
  }
  expect_failures = [var.github]
}

run "every_environment" {
  command = plan
  variables {
    github = { repository = "example/notebooks", build_environment = "*" }
  }
  expect_failures = [var.github]
}

run "a_deployer_with_capitals" {
  command = plan
  variables {
    github = { repository = "example/notebooks", deploy_environments = { Dev = "dev" } }
  }
  expect_failures = [var.github]
}

run "images_to_nowhere" {
  command = plan
  variables {
    repository_arn = "arn:aws:ecr:eu-north-1:123456789012:repository/*"
  }
  expect_failures = [var.repository_arn]
}

run "a_provider_that_is_none" {
  command = plan
  variables {
    oidc_providers = { github = "token.actions.githubusercontent.com" }
  }
  expect_failures = [var.oidc_providers]
}

run "a_policy_too_long_for_iam" {
  command = plan
  override_data {
    target = data.aws_iam_policy_document.network
    # 7000 characters; functions can't be called here.
    values = { json = "%{for a in [1, 2, 3, 4, 5, 6, 7]}%{for b in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}%{for c in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}ten.chars.%{endfor}%{endfor}%{endfor}" }
  }
  expect_failures = [aws_iam_policy.change]
}
