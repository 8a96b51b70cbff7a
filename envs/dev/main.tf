# The cheap environment: no NAT gateway, one small task on Spot, nothing kept that
# isn't needed. Notebooks are in a bucket, as Spot may take the task away at any time.

locals {
  # CloudFront's read timeout and the checks of the chain that it is part of.
  timeouts = { origin_read = 60 }
}

module "network" {
  source = "../../modules/network"

  name_prefix = var.name_prefix
  nat         = "none"
}

module "token" {
  source = "../../modules/data/token"

  name_prefix = var.name_prefix
  generation  = var.token_generation
}

module "data" {
  source = "../../modules/data"

  name_prefix = var.name_prefix

  # What is destroyed here is meant to go whole, notebooks included; an environment
  # that people rely on leaves force_destroy out.
  bucket = { noncurrent_version_days = 7, force_destroy = true }
}

module "ecs" {
  source = "../../modules/ecs"

  name_prefix = var.name_prefix
  vpc_id      = module.network.vpc_id

  load_balancer = { subnet_ids = module.network.private_subnet_ids }

  # Without NAT a task reaches ECR by a public address of its own; its security group
  # lets in the load balancer only.
  task_network = { subnet_ids = module.network.public_subnet_ids, assign_public_ip = true }

  image     = var.image
  task_size = { cpu = 512, memory = 1024 }
  capacity  = { on_demand_weight = 0, spot_weight = 1 }

  environment = {
    ADDR            = ":8000"
    ENVIRONMENT     = var.environment
    ALLOWED_ORIGINS = module.frontend_cdn.url
    STORE_URL       = module.data.store_url
    # The load balancer and CloudFront's interfaces before it: without them everybody
    # would share one count of failed sign-ins.
    TRUSTED_PROXIES = module.network.vpc_cidr_block
  }
  secrets       = { NOTEBOOK_TOKEN = module.token.secret_arn }
  task_policies = { notebooks = module.data.store_policy_json }

  # Kernels' folders; all that lasts is in the bucket.
  container = { writable_paths = ["/tmp"] }

  timeouts                 = local.timeouts
  log_retention_days       = 7
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

  noncurrent_version_days = 7
  force_destroy           = true
}
