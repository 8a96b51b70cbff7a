# The module's rules, on a mocked provider.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-north-1" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_ec2_managed_prefix_list" {
    defaults = { id = "pl-cloudfront", owner_id = "AWS" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/test" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-north-1:123456789012:log-group:/ecs/test" }
  }
  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:eu-north-1:123456789012:task-definition/test:1" }
  }
  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:loadbalancer/app/test/0123456789abcdef" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:targetgroup/test/0123456789abcdef" }
  }
}

variables {
  name_prefix   = "test"
  vpc_id        = "vpc-1"
  load_balancer = { subnet_ids = ["subnet-a", "subnet-b"] }
  task_network  = { subnet_ids = ["subnet-a"] }
  image         = "123456789012.dkr.ecr.eu-north-1.amazonaws.com/team/notebook@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
}

run "only_cloudfront_calls_the_load_balancer" {
  assert {
    condition     = aws_lb.this.internal && aws_lb.this.drop_invalid_header_fields && aws_lb.this.idle_timeout == 4000
    error_message = "it has no public address, and waits for WebSockets"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.load_balancer_from_cloudfront.prefix_list_id == "pl-cloudfront" && aws_vpc_security_group_ingress_rule.load_balancer_from_cloudfront.cidr_ipv4 == null
    error_message = "its only source is CloudFront's list"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.load_balancer_from_cloudfront.from_port == 80 && aws_vpc_security_group_ingress_rule.load_balancer_from_cloudfront.to_port == 80
    error_message = "the list fills a group with one port"
  }
}

run "only_the_load_balancer_calls_a_task" {
  assert {
    condition     = aws_vpc_security_group_ingress_rule.task_from_load_balancer.referenced_security_group_id == aws_security_group.load_balancer.id && aws_vpc_security_group_ingress_rule.task_from_load_balancer.from_port == 8000
    error_message = "a task's only source is the load balancer's group"
  }
  assert {
    condition     = !aws_ecs_service.this.network_configuration[0].assign_public_ip
    error_message = "no public address unless asked for"
  }
}

run "the_container_is_as_small_as_it_can_be" {
  variables {
    environment = { B = "2", A = "1" }
    secrets     = { TOKEN = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:token-AbCdEf" }
  }

  assert {
    condition = alltrue([for c in jsondecode(aws_ecs_task_definition.this.container_definitions) :
      c.readonlyRootFilesystem && c.user == "0" &&
      length(setintersection(c.linuxParameters.capabilities.drop, ["SETUID", "SETGID", "CHOWN", "KILL"])) == 0 &&
      length(c.linuxParameters.capabilities.drop) == 10
    ])
    error_message = "a read-only root file system, and every capability dropped but the four that kernels need"
  }
  assert {
    condition     = [for m in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].mountPoints : m.containerPath] == ["/tmp", "/var/lib/notebook/data"]
    error_message = "what must be written has a volume"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment == [{ name = "A", value = "1" }, { name = "B", value = "2" }]
    error_message = "the environment is in a fixed order"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets[0].name == "TOKEN"
    error_message = "secrets are named, not copied"
  }
  assert {
    condition     = aws_ecs_task_definition.this.runtime_platform[0].cpu_architecture == "ARM64" && aws_ecs_task_definition.this.cpu == "512"
    error_message = "ARM64 and half a processor by default"
  }
}

run "a_shell_needs_a_writable_root" {
  variables {
    execute_command = true
  }

  assert {
    condition     = !jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem && aws_ecs_service.this.enable_execute_command && length(aws_iam_role_policy.task_exec) == 1
    error_message = "ECS Exec is on, with what it needs"
  }
}

run "the_execution_role_reads_what_it_is_given" {
  variables {
    secrets = { TOKEN = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:token-AbCdEf" }
  }

  assert {
    condition     = one([for s in data.aws_iam_policy_document.execution.statement : s.resources if s.sid == "ReadSecrets"]) == toset(["arn:aws:secretsmanager:eu-north-1:123456789012:secret:token-AbCdEf"])
    error_message = "exactly the secrets named"
  }
  assert {
    condition     = one([for s in data.aws_iam_policy_document.execution.statement : s.resources if s.sid == "PullImage"]) == toset(["arn:aws:ecr:eu-north-1:123456789012:repository/team/notebook"])
    error_message = "exactly the image's repository"
  }
}

run "the_service_may_do_nothing_by_itself" {
  assert {
    condition     = length(aws_iam_role_policy.task) == 0 && length(aws_iam_role_policy.task_exec) == 0
    error_message = "the task's role has no policy unless one is given"
  }
}

run "the_service_may_do_what_it_is_given" {
  variables {
    task_policies = {
      notebooks = jsonencode({ Version = "2012-10-17", Statement = [
        { Effect = "Allow", Action = ["s3:GetObject"], Resource = "arn:aws:s3:::bucket/notebooks/*" },
        { Effect = "Deny", Action = "s3:*", Resource = "*" },
      ] })
    }
  }

  assert {
    condition     = aws_iam_role_policy.task["notebooks"].role == aws_iam_role.task.id && aws_iam_role_policy.task["notebooks"].policy == var.task_policies.notebooks
    error_message = "the policy is the task role's"
  }
}

run "without_secrets_it_reads_none" {
  assert {
    condition     = length([for s in data.aws_iam_policy_document.execution.statement : s if s.sid == "ReadSecrets"]) == 0
    error_message = "no statement without secrets"
  }
  assert {
    condition     = !contains(keys(jsondecode(aws_ecs_task_definition.this.container_definitions)[0]), "secrets")
    error_message = "no empty list, which ECS doesn't give back"
  }
}

run "an_image_from_elsewhere_needs_no_permission" {
  variables {
    image = "registry.example.com/notebook@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  }

  assert {
    condition     = [for s in data.aws_iam_policy_document.execution.statement : s.sid] == ["WriteLogs"]
    error_message = "nothing of ECR's"
  }
}

run "deployments_do_not_interrupt" {
  assert {
    condition     = aws_ecs_service.this.deployment_minimum_healthy_percent == 100 && aws_ecs_service.this.deployment_maximum_percent == 200
    error_message = "the new task is there before the old one goes"
  }
  assert {
    condition     = aws_ecs_service.this.deployment_circuit_breaker[0].enable && aws_ecs_service.this.deployment_circuit_breaker[0].rollback
    error_message = "a deployment that fails is rolled back"
  }
  assert {
    condition     = aws_lb_target_group.this.stickiness[0].enabled && aws_lb_target_group.this.health_check[0].path == "/health" && aws_lb_target_group.this.deregistration_delay == "30"
    error_message = "clients stay with their task and are let go gently"
  }
}

run "spot_only" {
  variables {
    capacity = { on_demand_weight = 0, spot_weight = 1 }
  }

  assert {
    condition     = [for s in aws_ecs_service.this.capacity_provider_strategy : s.capacity_provider] == ["FARGATE_SPOT"]
    error_message = "only the provider with a weight is in the strategy"
  }
}

run "a_prefix_list_of_somebody_else" {
  command = plan

  override_data {
    target = data.aws_ec2_managed_prefix_list.cloudfront
    values = { id = "pl-1", owner_id = "210987654321" }
  }

  expect_failures = [data.aws_ec2_managed_prefix_list.cloudfront]
}

run "name_with_underscores" {
  command = plan
  variables {
    name_prefix = "test_1"
  }
  expect_failures = [var.name_prefix]
}

run "name_that_aws_keeps" {
  command = plan
  variables {
    name_prefix = "internal-test"
  }
  expect_failures = [var.name_prefix]
}

run "load_balancer_in_one_subnet" {
  command = plan
  variables {
    load_balancer = { subnet_ids = ["subnet-a"] }
  }
  expect_failures = [var.load_balancer]
}

run "load_balancer_on_a_port_that_cloudfront_does_not_call" {
  command = plan
  variables {
    load_balancer = { subnet_ids = ["subnet-a", "subnet-b"], port = 81 }
  }
  expect_failures = [var.load_balancer]
}

run "tasks_without_a_subnet" {
  command = plan
  variables {
    task_network = { subnet_ids = [] }
  }
  expect_failures = [var.task_network]
}

run "image_by_tag" {
  command = plan
  variables {
    image = "123456789012.dkr.ecr.eu-north-1.amazonaws.com/notebook:latest"
  }
  expect_failures = [var.image]
}

run "container_on_a_low_port" {
  command = plan
  variables {
    container = { port = 80 }
  }
  expect_failures = [var.container]
}

run "volume_at_a_relative_path" {
  command = plan
  variables {
    container = { writable_paths = ["data"] }
  }
  expect_failures = [var.container]
}

run "health_check_without_its_form" {
  command = plan
  variables {
    container = { health_check = { command = ["/usr/local/bin/notebook", "healthcheck"] } }
  }
  expect_failures = [var.container]
}

run "health_check_every_second" {
  command = plan
  variables {
    container = { health_check = { interval_seconds = 1 } }
  }
  expect_failures = [var.container]
}

run "secret_with_a_wildcard" {
  command = plan
  variables {
    secrets = { TOKEN = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:*" }
  }
  expect_failures = [var.secrets]
}

run "a_name_that_is_secret_and_is_not" {
  command = plan
  variables {
    environment = { TOKEN = "t" }
    secrets     = { TOKEN = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:token-AbCdEf" }
  }
  expect_failures = [var.secrets]
}

run "a_policy_named_like_ecs_execs" {
  command = plan
  variables {
    task_policies = { execute-command = jsonencode({ Statement = { Effect = "Allow", Action = "s3:GetObject", Resource = "arn:aws:s3:::bucket/*" } }) }
  }
  expect_failures = [var.task_policies]
}

run "a_policy_that_is_no_json" {
  command = plan
  variables {
    task_policies = { notebooks = "arn:aws:iam::aws:policy/AmazonS3FullAccess" }
  }
  expect_failures = [var.task_policies]
}

run "a_policy_of_every_action" {
  command = plan
  variables {
    task_policies = { notebooks = jsonencode({ Statement = { Effect = "Allow", Action = "s3:*", Resource = "arn:aws:s3:::bucket/*" } }) }
  }
  expect_failures = [var.task_policies]
}

run "a_policy_of_every_action_but_one" {
  command = plan
  variables {
    task_policies = { notebooks = jsonencode({ Statement = [{ Effect = "Allow", NotAction = "s3:PutObject", Resource = "arn:aws:s3:::bucket/*" }] }) }
  }
  expect_failures = [var.task_policies]
}

run "a_policy_on_everything" {
  command = plan
  variables {
    task_policies = { notebooks = jsonencode({ Statement = [{ Effect = "Allow", Action = ["s3:GetObject"], Resource = ["*"] }] }) }
  }
  expect_failures = [var.task_policies]
}

run "a_policy_on_every_bucket" {
  command = plan
  variables {
    task_policies = { notebooks = jsonencode({ Statement = [{ Effect = "Allow", Action = ["s3:GetObject"], Resource = ["arn:aws:s3:::*"] }] }) }
  }
  expect_failures = [var.task_policies]
}

run "a_size_that_fargate_does_not_have" {
  command = plan
  variables {
    task_size = { cpu = 512, memory = 8192 }
  }
  expect_failures = [var.task_size]
}

run "unknown_architecture" {
  command = plan
  variables {
    cpu_architecture = "RISCV"
  }
  expect_failures = [var.cpu_architecture]
}

run "capacity_without_weight" {
  command = plan
  variables {
    capacity = { on_demand_weight = 0, spot_weight = 0 }
  }
  expect_failures = [var.capacity]
}

run "a_base_without_weight" {
  command = plan
  variables {
    capacity = { on_demand_base = 1, on_demand_weight = 0, spot_weight = 1 }
  }
  expect_failures = [var.capacity]
}

run "half_a_task" {
  command = plan
  variables {
    desired_count = 0.5
  }
  expect_failures = [var.desired_count]
}

run "ping_slower_than_cloudfront_waits" {
  command = plan
  variables {
    timeouts = { ping = 60 }
  }
  expect_failures = [var.timeouts]
}

run "cloudfront_waits_longer_than_it_can" {
  command = plan
  variables {
    timeouts = { origin_read = 121 }
  }
  expect_failures = [var.timeouts]
}

run "load_balancer_hangs_up_first" {
  command = plan
  variables {
    timeouts = { idle = 59 }
  }
  expect_failures = [var.timeouts]
}

run "container_killed_while_it_drains" {
  command = plan
  variables {
    timeouts = { stop = 25 }
  }
  expect_failures = [var.timeouts]
}

run "stop_beyond_fargates" {
  command = plan
  variables {
    timeouts = { stop = 121 }
  }
  expect_failures = [var.timeouts]
}

run "load_balancer_cuts_before_the_service_does" {
  command = plan
  variables {
    timeouts = { deregistration = 24 }
  }
  expect_failures = [var.timeouts]
}

run "target_check_at_no_path" {
  command = plan
  variables {
    target_health_check = { path = "health" }
  }
  expect_failures = [var.target_health_check]
}

run "target_check_slower_than_its_interval" {
  command = plan
  variables {
    target_health_check = { timeout_seconds = 10 }
  }
  expect_failures = [var.target_health_check]
}

run "logs_for_ever" {
  command = plan
  variables {
    log_retention_days = 0
  }
  expect_failures = [var.log_retention_days]
}

run "unknown_insights" {
  command = plan
  variables {
    container_insights = "on"
  }
  expect_failures = [var.container_insights]
}

run "a_boundary_that_is_no_policy" {
  command = plan
  variables {
    permissions_boundary_arn = "arn:aws:iam::123456789012:role/boundary"
  }
  expect_failures = [var.permissions_boundary_arn]
}
