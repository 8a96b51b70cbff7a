output "cluster_name" {
  description = "Name of the cluster."
  value       = aws_ecs_cluster.this.name
}

output "cluster_arn" {
  description = "ARN of the cluster."
  value       = aws_ecs_cluster.this.arn
}

output "service_name" {
  description = "Name of the service in its cluster."
  value       = aws_ecs_service.this.name
}

output "task_definition_arn" {
  description = "ARN of the task definition that the service runs, with its revision."
  value       = aws_ecs_service.this.task_definition
}

output "load_balancer_arn" {
  description = "ARN of the internal load balancer."
  value       = aws_lb.this.arn
}

output "load_balancer_dns_name" {
  description = "Host name of the internal load balancer; it resolves to addresses of the VPC."
  value       = aws_lb.this.dns_name
}

output "load_balancer_port" {
  description = "TCP port of the load balancer's HTTP listener."
  value       = aws_lb_listener.http.port
}

output "target_group_arn" {
  description = "ARN of the target group that tasks register with."
  value       = aws_lb_target_group.this.arn
}

output "load_balancer_security_group_id" {
  description = "Id of the load balancer's security group."
  value       = aws_security_group.load_balancer.id
}

output "task_security_group_id" {
  description = "Id of the tasks' security group, to let them into a database."
  value       = aws_security_group.task.id
}

output "execution_role_arn" {
  description = "ARN of the role that starts tasks."
  value       = aws_iam_role.execution.arn
}

output "task_role_arn" {
  description = "ARN of the role of the service in its tasks."
  value       = aws_iam_role.task.arn
}

output "task_role_name" {
  description = "Name of that role, to attach policies to."
  value       = aws_iam_role.task.name
}

output "log_group_name" {
  description = "Name of the log group of the tasks."
  value       = aws_cloudwatch_log_group.this.name
}

output "timeouts" {
  description = "The chain of times, in seconds, as checked; origin_read is CloudFront's."
  value       = var.timeouts
}
