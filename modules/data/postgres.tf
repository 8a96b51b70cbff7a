locals {
  postgres = var.postgres == null ? {} : { this = var.postgres }
  # Of "17" and of "17.5" alike.
  postgres_family = { for key, one in local.postgres : key => "postgres${split(".", one.engine_version)[0]}" }
}

resource "aws_db_subnet_group" "postgres" {
  for_each = local.postgres

  name_prefix = "${var.name_prefix}-"
  description = "Where the database of ${var.name_prefix} stands"
  subnet_ids  = var.network.subnet_ids
}

resource "aws_security_group" "postgres" {
  for_each = local.postgres

  name_prefix = "${var.name_prefix}-postgres-"
  description = "Database of ${var.name_prefix}: from its clients only"
  vpc_id      = var.network.vpc_id

  tags = { Name = "${var.name_prefix}-postgres" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "postgres" {
  for_each = var.postgres == null ? {} : var.network.client_security_group_ids

  security_group_id            = aws_security_group.postgres["this"].id
  description                  = "PostgreSQL from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_db_parameter_group" "postgres" {
  for_each = local.postgres

  name_prefix = "${var.name_prefix}-"
  family      = local.postgres_family[each.key]
  description = "PostgreSQL of ${var.name_prefix}"

  # AWS's default today; a default is not a promise.
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  # What takes longer than this is worth knowing; in milliseconds.
  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }

  lifecycle {
    create_before_destroy = true
  }
}

# RDS makes the group by itself where it is missing, and keeps its logs for ever.
resource "aws_cloudwatch_log_group" "postgres" {
  for_each = local.postgres

  name              = "/aws/rds/instance/${var.name_prefix}/postgresql"
  retention_in_days = each.value.log_retention_days
}

resource "aws_db_instance" "postgres" {
  for_each = local.postgres

  identifier     = var.name_prefix
  engine         = "postgres"
  engine_version = each.value.engine_version
  instance_class = each.value.instance_class

  # The disk grows by itself up to the second number, and never shrinks.
  allocated_storage     = each.value.storage_gib
  max_allocated_storage = each.value.max_storage_gib
  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = var.kms_key_arn

  db_name             = each.value.database
  username            = each.value.username
  password_wo         = var.postgres_password
  password_wo_version = each.value.password_generation

  db_subnet_group_name   = aws_db_subnet_group.postgres[each.key].name
  vpc_security_group_ids = [aws_security_group.postgres[each.key].id]
  parameter_group_name   = aws_db_parameter_group.postgres[each.key].name
  publicly_accessible    = false
  multi_az               = each.value.multi_az

  backup_retention_period  = each.value.backup_days
  backup_window            = "01:00-02:00"
  maintenance_window       = "sun:02:30-sun:03:30"
  copy_tags_to_snapshot    = true
  delete_automated_backups = false

  auto_minor_version_upgrade = true
  apply_immediately          = each.value.apply_immediately

  deletion_protection = each.value.deletion_protection
  skip_final_snapshot = !each.value.final_snapshot
  # Of another instance by the same name there may be one already; the group's id is
  # this one's own.
  final_snapshot_identifier = each.value.final_snapshot ? "${var.name_prefix}-final-${trimprefix(aws_security_group.postgres[each.key].id, "sg-")}" : null

  enabled_cloudwatch_logs_exports = ["postgresql"]

  depends_on = [aws_cloudwatch_log_group.postgres]
}

resource "aws_secretsmanager_secret" "postgres" {
  for_each = local.postgres

  name_prefix = "${var.name_prefix}-postgres-"
  description = "Address of the database of ${var.name_prefix}, with its password"

  # A lost password is replaced, not brought back.
  recovery_window_in_days = 0
}

# Written with the very password that the instance took in this run: both go by one
# number. Where the write failed after the instance had taken it, the next number
# puts it right.
resource "aws_secretsmanager_secret_version" "postgres" {
  for_each = local.postgres

  secret_id                = aws_secretsmanager_secret.postgres[each.key].id
  secret_string_wo         = "postgres://${each.value.username}:${urlencode(var.postgres_password)}@${aws_db_instance.postgres[each.key].endpoint}/${each.value.database}?sslmode=require"
  secret_string_wo_version = each.value.password_generation
}
