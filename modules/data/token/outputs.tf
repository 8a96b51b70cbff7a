output "secret_arn" {
  description = "ARN of the secret; who starts a task with it finds the token in it."
  value       = aws_secretsmanager_secret.token.arn

  # A task that starts before the token is written fails.
  depends_on = [aws_secretsmanager_secret_version.token]
}
