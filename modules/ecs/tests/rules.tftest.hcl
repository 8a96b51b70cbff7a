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
  mock_data "aws_subnet" {
    defaults = { vpc_id = "vpc-1" }
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
  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:listener/app/test/0123456789abcdef/0123456789abcdef" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::bucket" }
  }
  mock_resource "aws_acm_certificate" {
    defaults = {
      arn                       = "arn:aws:acm:eu-north-1:123456789012:certificate/0"
      domain_validation_options = [{ domain_name = "origin.example.com", resource_record_name = "_1.origin.example.com", resource_record_type = "CNAME", resource_record_value = "_1.acm-validations.aws" }]
    }
  }
  mock_resource "aws_ecs_service" {
    defaults = { id = "arn:aws:ecs:eu-north-1:123456789012:service/test/test" }
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
    condition     = !aws_ecs_service.this[0].network_configuration[0].assign_public_ip
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
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment == [{ name = "A", value = "1" }, { name = "B", value = "2" }, { name = "SHUTDOWN_GRACE", value = "25s" }]
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
    condition     = !jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem && aws_ecs_service.this[0].enable_execute_command && length(aws_iam_role_policy.task_exec) == 1
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
    condition     = aws_ecs_service.this[0].deployment_minimum_healthy_percent == 100 && aws_ecs_service.this[0].deployment_maximum_percent == 200
    error_message = "the new task is there before the old one goes"
  }
  assert {
    condition     = aws_ecs_service.this[0].deployment_circuit_breaker[0].enable && aws_ecs_service.this[0].deployment_circuit_breaker[0].rollback
    error_message = "a deployment that fails is rolled back"
  }
  assert {
    condition     = aws_lb_target_group.this["blue"].stickiness[0].enabled && aws_lb_target_group.this["blue"].health_check[0].path == "/health" && aws_lb_target_group.this["blue"].deregistration_delay == "30"
    error_message = "clients stay with their task and are let go gently"
  }
}

run "spot_only" {
  variables {
    capacity = { on_demand_weight = 0, spot_weight = 1 }
  }

  assert {
    condition     = [for s in aws_ecs_service.this[0].capacity_provider_strategy : s.capacity_provider] == ["FARGATE_SPOT"]
    error_message = "only the provider with a weight is in the strategy"
  }
}

run "a_public_load_balancer_asks_for_the_secret" {
  variables {
    load_balancer = { subnet_ids = ["subnet-a", "subnet-b"], exposure = "public", https = { domain_name = "origin.example.com", zone_id = "Z1" } }
    origin_secret = { value = "0123456789abcdef0123456789abcdef" }
  }

  assert {
    condition     = !aws_lb.this.internal && length(aws_lb_listener.http) == 0 && aws_lb_listener.https[0].protocol == "HTTPS" && aws_lb_listener.https[0].port == 443
    error_message = "its only listener speaks HTTPS"
  }
  assert {
    condition     = aws_lb_listener.https[0].default_action[0].type == "fixed-response" && aws_lb_listener.https[0].default_action[0].fixed_response[0].status_code == "403"
    error_message = "without the secret there is a 403"
  }
  assert {
    condition     = one(one(aws_lb_listener_rule.origin_secret[0].condition).http_header).http_header_name == "X-Origin-Verify" && one(one(aws_lb_listener_rule.origin_secret[0].condition).http_header).values == toset(["0123456789abcdef0123456789abcdef"])
    error_message = "with it requests go to the tasks"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.load_balancer_from_cloudfront.prefix_list_id == "pl-cloudfront" && aws_vpc_security_group_ingress_rule.load_balancer_from_cloudfront.from_port == 443 && aws_vpc_security_group_ingress_rule.load_balancer_from_cloudfront.to_port == 443
    error_message = "its only source is CloudFront's list, on one port"
  }
  assert {
    condition     = output.load_balancer_dns_name == "origin.example.com" && output.load_balancer_port == 443 && aws_acm_certificate.origin[0].domain_name == "origin.example.com" && aws_route53_record.origin[0].name == "origin.example.com"
    error_message = "its name and certificate are made"
  }
}

run "a_certificate_of_ones_own" {
  variables {
    load_balancer = { subnet_ids = ["subnet-a", "subnet-b"], exposure = "public", port = 8443, https = { domain_name = "origin.example.com", certificate_arn = "arn:aws:acm:eu-north-1:123456789012:certificate/1" } }
    origin_secret = { header = "X-Ours", value = "0123456789abcdef0123456789abcdef" }
  }

  assert {
    condition     = aws_lb_listener.https[0].certificate_arn == "arn:aws:acm:eu-north-1:123456789012:certificate/1" && length(aws_acm_certificate.origin) == 0 && length(aws_route53_record.origin) == 0
    error_message = "nothing is made beside it"
  }
}

run "what_was_asked_is_kept" {
  variables {
    load_balancer = { subnet_ids = ["subnet-a", "subnet-b"], access_logs = { retention_days = 30 } }
  }

  assert {
    condition     = aws_lb.this.access_logs[0].enabled && output.access_log_bucket_name != null
    error_message = "the load balancer writes to a bucket"
  }
}

run "a_shell_is_recorded_and_encrypted" {
  variables {
    execute_command = true
    kms_key_arn     = "arn:aws:kms:eu-north-1:123456789012:key/1"
  }

  assert {
    condition     = aws_cloudwatch_log_group.exec[0].kms_key_id == var.kms_key_arn && aws_cloudwatch_log_group.this.kms_key_id == var.kms_key_arn
    error_message = "logs have the key"
  }
  assert {
    condition     = one(one(aws_ecs_cluster.this.configuration).execute_command_configuration).logging == "OVERRIDE" && one(one(one(aws_ecs_cluster.this.configuration).execute_command_configuration).log_configuration).cloud_watch_log_group_name == "/ecs/test/exec"
    error_message = "what is typed is kept"
  }
  assert {
    condition     = one([for s in data.aws_iam_policy_document.task_exec[0].statement : s.resources if s.sid == "EncryptTheShell"]) == toset([var.kms_key_arn])
    error_message = "the agent may use the key"
  }
}

run "secrets_with_a_key_of_ones_own" {
  variables {
    secrets              = { TOKEN = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:token-AbCdEf" }
    secrets_kms_key_arns = ["arn:aws:kms:eu-north-1:123456789012:key/1"]
  }

  assert {
    condition     = one([for s in data.aws_iam_policy_document.execution.statement : s.resources if s.sid == "DecryptSecrets"]) == toset(["arn:aws:kms:eu-north-1:123456789012:key/1"])
    error_message = "exactly that key, through Secrets Manager"
  }
}

run "ipv6_is_a_way_out" {
  variables {
    task_network = { subnet_ids = ["subnet-a"], ipv6 = true }
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.task_to_anywhere_ipv6[0].cidr_ipv6 == "::/0"
    error_message = "tasks reach IPv6"
  }
}

run "tasks_follow_the_load" {
  variables {
    desired_count = 2
    autoscaling   = { min = 2, max = 6, cpu_percent = 60, memory_percent = 70, requests_per_task = 600 }
  }

  assert {
    condition     = length(aws_ecs_service.this) == 0 && length(aws_ecs_service.autoscaled) == 1 && aws_appautoscaling_target.this[0].min_capacity == 2 && aws_appautoscaling_target.this[0].max_capacity == 6
    error_message = "their number is Application Auto Scaling's"
  }
  assert {
    condition     = toset(keys(aws_appautoscaling_policy.this)) == toset(["cpu", "memory", "requests"]) && aws_appautoscaling_policy.this["cpu"].target_tracking_scaling_policy_configuration[0].target_value == 60
    error_message = "processor, memory and requests are looked at"
  }
  assert {
    condition     = aws_ecs_service.autoscaled[0].deployment_circuit_breaker[0].rollback && aws_ecs_service.autoscaled[0].availability_zone_rebalancing == "ENABLED" && aws_ecs_service.autoscaled[0].deployment_minimum_healthy_percent == 100
    error_message = "deployments are as without"
  }
}

run "nothing_runs_at_night" {
  variables {
    autoscaling = {
      min = 0
      max = 2
      schedules = {
        evening = { cron = "cron(0 20 ? * MON-FRI *)", timezone = "Europe/London", min = 0, max = 0 }
        morning = { cron = "cron(0 7 ? * MON-FRI *)", timezone = "Europe/London", min = 1, max = 2 }
      }
    }
  }

  assert {
    condition     = length(aws_appautoscaling_target.this) == 0 && length(aws_appautoscaling_target.scheduled) == 1
    error_message = "the bounds are the clock's"
  }
  assert {
    condition     = aws_appautoscaling_scheduled_action.this["evening"].scalable_target_action[0].max_capacity == "0" && aws_appautoscaling_scheduled_action.this["morning"].scalable_target_action[0].min_capacity == "1"
    error_message = "down to nothing and up again"
  }
}

run "errors_roll_a_deployment_back" {
  variables {
    deployment_alarms = { target_5xx_per_minute = 5, names = ["kernels-die"] }
  }

  assert {
    condition     = aws_ecs_service.this[0].alarms[0].enable && aws_ecs_service.this[0].alarms[0].rollback && aws_ecs_service.this[0].alarms[0].alarm_names == toset(["test-deployment-5xx", "kernels-die"])
    error_message = "both alarms are watched"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.deployment_5xx[0].threshold == 5 && aws_cloudwatch_metric_alarm.deployment_5xx[0].treat_missing_data == "notBreaching"
    error_message = "no errors ring no alarm"
  }
}

run "blue_and_green_change_places" {
  variables {
    deployment        = { strategy = "blue_green", traffic = "CodeDeployDefault.ECSCanary10Percent5Minutes", old_tasks_minutes = 30 }
    deployment_alarms = { target_5xx_per_minute = 10 }
  }

  assert {
    condition     = length(aws_ecs_service.this) == 0 && aws_ecs_service.blue_green[0].deployment_controller[0].type == "CODE_DEPLOY" && length(aws_lb_target_group.this) == 2
    error_message = "the service is CodeDeploy's, with two target groups"
  }
  assert {
    condition     = aws_lb_target_group.this["blue"].name != aws_lb_target_group.this["green"].name
    error_message = "they have names of their own"
  }
  assert {
    condition     = aws_codedeploy_deployment_group.this[0].deployment_config_name == "CodeDeployDefault.ECSCanary10Percent5Minutes" && aws_codedeploy_deployment_group.this[0].auto_rollback_configuration[0].events == toset(["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"])
    error_message = "traffic moves as asked, and back when it must"
  }
  assert {
    condition     = jsondecode(output.codedeploy.appspec).Resources[0].TargetService.Properties.TaskDefinition == aws_ecs_task_definition.this.arn
    error_message = "the output deploys the newest definition"
  }
  assert {
    condition     = alltrue([for s in data.aws_iam_policy_document.codedeploy[0].statement : !contains(s.resources, "*") if s.sid != "LookAtTrafficAndAlarms"])
    error_message = "CodeDeploy may change this service only"
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

run "exposed_to_some" {
  command = plan
  variables {
    load_balancer = { subnet_ids = ["subnet-a", "subnet-b"], exposure = "some" }
  }
  expect_failures = [var.load_balancer]
}

run "public_without_https" {
  command = plan
  variables {
    load_balancer = { subnet_ids = ["subnet-a", "subnet-b"], exposure = "public" }
    origin_secret = { value = "0123456789abcdef0123456789abcdef" }
  }
  expect_failures = [var.load_balancer]
}

run "internal_with_https" {
  command = plan
  variables {
    load_balancer = { subnet_ids = ["subnet-a", "subnet-b"], https = { domain_name = "origin.example.com", zone_id = "Z1" } }
  }
  expect_failures = [var.load_balancer]
}

run "https_with_neither_zone_nor_certificate" {
  command = plan
  variables {
    load_balancer = { subnet_ids = ["subnet-a", "subnet-b"], exposure = "public", https = { domain_name = "origin.example.com" } }
    origin_secret = { value = "0123456789abcdef0123456789abcdef" }
  }
  expect_failures = [var.load_balancer]
}

run "a_certificate_that_is_none" {
  command = plan
  variables {
    load_balancer = { subnet_ids = ["subnet-a", "subnet-b"], exposure = "public", https = { domain_name = "origin.example.com", certificate_arn = "arn:aws:iam::123456789012:server-certificate/1" } }
    origin_secret = { value = "0123456789abcdef0123456789abcdef" }
  }
  expect_failures = [var.load_balancer]
}

run "a_name_that_is_none" {
  command = plan
  variables {
    load_balancer = { subnet_ids = ["subnet-a", "subnet-b"], exposure = "public", https = { domain_name = "*.example.com", zone_id = "Z1" } }
    origin_secret = { value = "0123456789abcdef0123456789abcdef" }
  }
  expect_failures = [var.load_balancer]
}

run "a_protocol_that_is_broken" {
  command = plan
  variables {
    load_balancer = { subnet_ids = ["subnet-a", "subnet-b"], exposure = "public", https = { domain_name = "origin.example.com", zone_id = "Z1", ssl_policy = "ELBSecurityPolicy-2016-08" } }
    origin_secret = { value = "0123456789abcdef0123456789abcdef" }
  }
  expect_failures = [var.load_balancer]
}

run "access_logs_for_ever" {
  command = plan
  variables {
    load_balancer = { subnet_ids = ["subnet-a", "subnet-b"], access_logs = { retention_days = 0 } }
  }
  expect_failures = [var.load_balancer]
}

run "public_without_a_secret" {
  command = plan
  variables {
    load_balancer = { subnet_ids = ["subnet-a", "subnet-b"], exposure = "public", https = { domain_name = "origin.example.com", zone_id = "Z1" } }
  }
  expect_failures = [var.origin_secret]
}

run "internal_with_a_secret" {
  command = plan
  variables {
    origin_secret = { value = "0123456789abcdef0123456789abcdef" }
  }
  expect_failures = [var.origin_secret]
}

run "a_secret_to_be_guessed" {
  command = plan
  variables {
    load_balancer = { subnet_ids = ["subnet-a", "subnet-b"], exposure = "public", https = { domain_name = "origin.example.com", zone_id = "Z1" } }
    origin_secret = { value = "secret" }
  }
  expect_failures = [var.origin_secret]
}

run "a_secret_in_a_header_that_cloudfront_keeps" {
  command = plan
  variables {
    load_balancer = { subnet_ids = ["subnet-a", "subnet-b"], exposure = "public", https = { domain_name = "origin.example.com", zone_id = "Z1" } }
    origin_secret = { header = "X-Amz-Secret", value = "0123456789abcdef0123456789abcdef" }
  }
  expect_failures = [var.origin_secret]
}

run "a_grace_outside_of_the_chain" {
  command = plan
  variables {
    environment = { SHUTDOWN_GRACE = "60s" }
  }
  expect_failures = [var.environment]
}

run "fewer_tasks_than_the_least" {
  command = plan
  variables {
    desired_count = 1
    autoscaling   = { min = 2, max = 4, cpu_percent = 60 }
  }
  expect_failures = [var.desired_count]
}

run "least_above_most" {
  command = plan
  variables {
    autoscaling = { min = 1, max = 0, cpu_percent = 60 }
  }
  expect_failures = [var.autoscaling]
}

run "more_processor_than_there_is" {
  command = plan
  variables {
    autoscaling = { min = 1, max = 2, cpu_percent = 150 }
  }
  expect_failures = [var.autoscaling]
}

run "tasks_without_requests" {
  command = plan
  variables {
    autoscaling = { min = 1, max = 2, requests_per_task = 0 }
  }
  expect_failures = [var.autoscaling]
}

run "a_rest_of_two_hours" {
  command = plan
  variables {
    autoscaling = { min = 1, max = 2, cpu_percent = 60, scale_in_seconds = 7200 }
  }
  expect_failures = [var.autoscaling]
}

run "a_cron_of_five_fields" {
  command = plan
  variables {
    autoscaling = { min = 1, max = 2, schedules = { evening = { cron = "0 20 * * *", min = 0, max = 1 } } }
  }
  expect_failures = [var.autoscaling]
}

run "night_for_ever" {
  command = plan
  variables {
    autoscaling = { min = 0, max = 2, schedules = { evening = { cron = "cron(0 20 * * ? *)", min = 0, max = 0 } } }
  }
  expect_failures = [var.autoscaling]
}

run "deployment_alarms_without_an_alarm" {
  command = plan
  variables {
    deployment_alarms = {}
  }
  expect_failures = [var.deployment_alarms]
}

run "an_alarm_that_always_rings" {
  command = plan
  variables {
    deployment_alarms = { target_5xx_per_minute = 0 }
  }
  expect_failures = [var.deployment_alarms]
}

run "an_alarm_by_arn" {
  command = plan
  variables {
    deployment_alarms = { names = ["arn:aws:cloudwatch:eu-north-1:123456789012:alarm:a"] }
  }
  expect_failures = [var.deployment_alarms]
}

run "unknown_strategy" {
  command = plan
  variables {
    deployment = { strategy = "recreate" }
  }
  expect_failures = [var.deployment]
}

run "traffic_of_servers" {
  command = plan
  variables {
    deployment = { strategy = "blue_green", traffic = "CodeDeployDefault.OneAtATime" }
  }
  expect_failures = [var.deployment]
}

run "old_tasks_for_a_week" {
  command = plan
  variables {
    deployment = { strategy = "blue_green", old_tasks_minutes = 10080 }
  }
  expect_failures = [var.deployment]
}

run "a_keys_alias" {
  command = plan
  variables {
    kms_key_arn = "arn:aws:kms:eu-north-1:123456789012:alias/logs"
  }
  expect_failures = [var.kms_key_arn]
}

run "a_secrets_keys_alias" {
  command = plan
  variables {
    secrets_kms_key_arns = ["arn:aws:kms:eu-north-1:123456789012:alias/secrets"]
  }
  expect_failures = [var.secrets_kms_key_arns]
}

run "requests_of_blue_and_green" {
  command = plan
  variables {
    autoscaling = { min = 1, max = 2, requests_per_task = 600 }
    deployment  = { strategy = "blue_green" }
  }
  expect_failures = [aws_appautoscaling_policy.this]
}

run "subnets_of_another_vpc" {
  command = plan

  override_data {
    target = data.aws_subnet.load_balancer
    values = { vpc_id = "vpc-2" }
  }

  expect_failures = [data.aws_subnet.load_balancer]
}

run "two_subnets_of_one_zone" {
  command = plan

  override_data {
    target = data.aws_subnet.load_balancer
    values = { vpc_id = "vpc-1", availability_zone_id = "eun1-az1" }
  }

  expect_failures = [aws_lb.this]
}

run "autoscaling_by_nothing" {
  command = plan
  variables {
    autoscaling = { min = 1, max = 2 }
  }
  expect_failures = [var.autoscaling]
}
