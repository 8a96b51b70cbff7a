# The notebooks' token: made by Secrets Manager, written into a secret, and never in
# the plan or the state. A module of its own, as modules with ephemeral blocks can't
# be tested with a mocked provider.

ephemeral "aws_secretsmanager_random_password" "token" {
  password_length     = 48
  exclude_punctuation = true # it travels in an address
}

resource "aws_secretsmanager_secret" "token" {
  name_prefix = "${var.name_prefix}-token-"
  description = "Opens the notebooks of ${var.name_prefix}"

  # A lost token is replaced, not brought back.
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "token" {
  secret_id        = aws_secretsmanager_secret.token.id
  secret_string_wo = ephemeral.aws_secretsmanager_random_password.token.random_password

  # A new random password comes with every run; only another number here writes it.
  secret_string_wo_version = var.generation
}
