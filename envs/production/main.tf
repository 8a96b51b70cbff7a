# The environment that people rely on: tasks in private subnets of two zones, notebooks
# in PostgreSQL with a standby, alarms, and protection against being destroyed.

locals {
  # CloudFront's read timeout and the checks of the chain that it is part of.
  timeouts = { origin_read = 60 }
}

module "network" {
  source = "../../modules/network"

  name_prefix              = var.name_prefix
  nat                      = var.nat
  flow_logs                = { traffic = "REJECT" }
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "token" {
  source = "../../modules/data/token"

  name_prefix = var.name_prefix
  generation  = var.token_generation
}

module "postgres_password" {
  source = "../../modules/data/password"
}

module "data" {
  source = "../../modules/data"

  name_prefix = var.name_prefix

  bucket = { force_destroy = !var.protect }

  network = {
    vpc_id                    = module.network.vpc_id
    subnet_ids                = module.network.private_subnet_ids
    client_security_group_ids = { tasks = module.ecs.task_security_group_id }
  }

  postgres          = var.postgres == null ? null : merge(var.postgres, { deletion_protection = var.protect })
  postgres_password = module.postgres_password.value

  valkey = var.valkey ? {} : null
}

module "ecs" {
  source = "../../modules/ecs"

  name_prefix = var.name_prefix
  vpc_id      = module.network.vpc_id

  load_balancer = {
    subnet_ids          = module.network.private_subnet_ids
    deletion_protection = var.protect
    access_logs         = { force_destroy = !var.protect }
  }
  task_network = { subnet_ids = module.network.private_subnet_ids }

  image         = var.image
  task_size     = var.task_size
  desired_count = var.tasks.min

  # Between equal bounds, too, where there is nothing to scale: a service without
  # autoscaling is another resource, and to widen its bounds would be an outage.
  autoscaling = { min = var.tasks.min, max = var.tasks.max, cpu_percent = 60, memory_percent = 70 }

  # A deployment that answers with errors goes back, though its tasks are healthy.
  deployment_alarms = { target_5xx_per_minute = 10 }

  environment = merge({
    ADDR            = ":8000"
    ENVIRONMENT     = var.environment
    ALLOWED_ORIGINS = module.frontend_cdn.url
    # The load balancer and CloudFront's interfaces before it: without them everybody
    # would share one count of failed sign-ins.
    TRUSTED_PROXIES = module.network.vpc_cidr_block
  }, var.postgres == null ? { STORE_URL = module.data.store_url } : null)

  secrets = merge(
    { NOTEBOOK_TOKEN = module.token.secret_arn },
    var.postgres == null ? null : { STORE_URL = module.data.postgres_url_secret_arn },
  )

  task_policies = merge(
    var.postgres == null ? { notebooks = module.data.store_policy_json } : null,
    var.valkey ? { valkey = module.data.valkey_policy_json } : null,
  )

  # Kernels' folders; all that lasts is in the database.
  container = { writable_paths = ["/tmp"] }

  timeouts                 = local.timeouts
  log_retention_days       = 90
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "frontend_cdn" {
  source    = "../../modules/frontend-cdn"
  providers = { aws = aws, aws.us_east_1 = aws.us_east_1 }

  name_prefix = var.name_prefix

  api_origin = {
    load_balancer_arn    = module.ecs.load_balancer_arn
    domain_name          = module.ecs.load_balancer_dns_name
    http_port            = module.ecs.load_balancer_port
    read_timeout_seconds = local.timeouts.origin_read
  }

  domain      = var.domain
  waf         = {}
  access_logs = { force_destroy = !var.protect }

  # The page is in the repository; what is in this bucket can be built again.
  force_destroy = !var.protect
}

module "observability" {
  source = "../../modules/observability"

  name_prefix = var.name_prefix

  service = {
    cluster_name      = module.ecs.cluster_name
    service_name      = module.ecs.service_name
    log_group_name    = module.ecs.log_group_name
    load_balancer_arn = module.ecs.load_balancer_arn
    target_group_arn  = module.ecs.target_group_arn
  }

  distribution_id             = module.frontend_cdn.distribution_id
  postgres_identifier         = module.data.postgres_identifier
  valkey_replication_group_id = module.data.valkey_replication_group_id

  emails = var.emails
  budget = { monthly_usd = var.monthly_budget_usd }
}
