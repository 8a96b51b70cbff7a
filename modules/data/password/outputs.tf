output "value" {
  description = "A new password of 40 letters and digits with every run; what takes it keeps it until its own number of the password is raised."
  value       = ephemeral.aws_secretsmanager_random_password.this.random_password
  ephemeral   = true
}
