# A password that no plan and no state holds: made by Secrets Manager for this run
# alone, and taken by write-only arguments. A module of its own, as modules with
# ephemeral blocks can't be tested with a mocked provider.

ephemeral "aws_secretsmanager_random_password" "this" {
  password_length     = 40
  exclude_punctuation = true # it travels in an address
}
