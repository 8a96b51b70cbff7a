locals {
  valkey = var.valkey == null ? {} : { this = var.valkey }
}

resource "aws_elasticache_subnet_group" "valkey" {
  for_each = local.valkey

  name        = var.name_prefix
  description = "Where the cache of ${var.name_prefix} stands"
  subnet_ids  = var.network.subnet_ids
}

resource "aws_security_group" "valkey" {
  for_each = local.valkey

  name_prefix = "${var.name_prefix}-valkey-"
  description = "Cache of ${var.name_prefix}: from its clients only"
  vpc_id      = var.network.vpc_id

  tags = { Name = "${var.name_prefix}-valkey" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "valkey" {
  for_each = var.valkey == null ? {} : var.network.client_security_group_ids

  security_group_id            = aws_security_group.valkey["this"].id
  description                  = "Valkey from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
}

# The one user that there is. It signs in as its role: a password would be in the
# state, as the provider has no write-only argument for it.
resource "aws_elasticache_user" "service" {
  for_each = local.valkey

  # With IAM both must be the same.
  user_id   = "${var.name_prefix}-service"
  user_name = "${var.name_prefix}-service"
  engine    = "valkey"

  # Its own keys and channels, and no command that reaches beyond them.
  access_string = "on ~${each.value.key_prefix}:* &${each.value.key_prefix}:* -@all +@read +@write +@pubsub +@connection +@transaction +@scripting -@dangerous"

  authentication_mode {
    type = "iam"
  }
}

resource "aws_elasticache_user_group" "valkey" {
  for_each = local.valkey

  user_group_id = var.name_prefix
  engine        = "valkey"
  user_ids      = [aws_elasticache_user.service[each.key].user_id]
}

resource "aws_elasticache_replication_group" "valkey" {
  for_each = local.valkey

  replication_group_id = var.name_prefix
  description          = "Valkey of ${var.name_prefix}"
  engine               = "valkey"
  engine_version       = each.value.engine_version
  node_type            = each.value.node_type
  num_cache_clusters   = each.value.nodes
  port                 = 6379

  # A second node is for the first one's outage.
  automatic_failover_enabled = each.value.nodes > 1
  multi_az_enabled           = each.value.nodes > 1

  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn
  user_group_ids             = [aws_elasticache_user_group.valkey[each.key].user_group_id]

  subnet_group_name  = aws_elasticache_subnet_group.valkey[each.key].name
  security_group_ids = [aws_security_group.valkey[each.key].id]

  snapshot_retention_limit   = each.value.snapshot_days
  snapshot_window            = "01:00-02:00"
  maintenance_window         = "sun:02:30-sun:03:30"
  auto_minor_version_upgrade = true
  apply_immediately          = each.value.apply_immediately
}

data "aws_iam_policy_document" "valkey" {
  for_each = local.valkey

  statement {
    sid       = "SignInToValkey"
    actions   = ["elasticache:Connect"]
    resources = [aws_elasticache_replication_group.valkey[each.key].arn, aws_elasticache_user.service[each.key].arn]
  }
}
