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
  value       = local.service.name
}

output "task_definition_arn" {
  description = "ARN of the task definition that the service runs, with its revision."
  value       = local.service.task_definition
}

output "load_balancer_arn" {
  description = "ARN of the load balancer."
  value       = aws_lb.this.arn
}

output "load_balancer_dns_name" {
  description = "Host name that CloudFront calls the load balancer by: of an internal one AWS's own, which resolves to addresses of the VPC; of a public one that of its certificate."
  value       = local.public ? var.load_balancer.https.domain_name : aws_lb.this.dns_name
}

output "load_balancer_port" {
  description = "TCP port of the load balancer's listener."
  value       = local.listener.port
}

output "target_group_arn" {
  description = "ARN of the target group that tasks register with; of a blue/green service that of its first deployment."
  value       = aws_lb_target_group.this["blue"].arn
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

output "exposure" {
  description = "How CloudFront reaches the load balancer: internal or public."
  value       = var.load_balancer.exposure
}

output "load_balancer_arn_suffix" {
  description = "End of the load balancer's ARN, as CloudWatch's dimension LoadBalancer has it."
  value       = aws_lb.this.arn_suffix
}

output "target_group_arn_suffix" {
  description = "End of that target group's ARN, as CloudWatch's dimension TargetGroup has it."
  value       = aws_lb_target_group.this["blue"].arn_suffix
}

output "access_log_bucket_name" {
  description = "Name of the bucket of the load balancer's access logs; null without them."
  value       = one(module.access_logs[*].bucket_name)
}

output "deployment_alarm_names" {
  description = "Names of the alarms that roll a deployment back."
  value       = local.deployment_alarm_names
}

output "codedeploy" {
  description = "For blue/green: `application` and `deployment_group` of CodeDeploy, and `appspec`, the JSON that deploys the newest task definition; null for rolling."
  value = local.blue_green ? {
    application      = aws_codedeploy_app.this[0].name
    deployment_group = aws_codedeploy_deployment_group.this[0].deployment_group_name
    appspec = jsonencode({
      version = "0.0"
      Resources = [{
        TargetService = {
          Type = "AWS::ECS::Service"
          Properties = {
            TaskDefinition   = aws_ecs_task_definition.this.arn
            LoadBalancerInfo = { ContainerName = local.container_name, ContainerPort = var.container.port }
          }
        }
      }]
    })
  } : null
}
