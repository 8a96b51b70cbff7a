output "topic_arn" {
  description = "ARN of the SNS topic that alarms and the budget go to; what else wants to alarm may publish there by CloudWatch."
  value       = aws_sns_topic.alarms.arn
}

output "alarm_names" {
  description = "Names of all alarms."
  value       = sort(concat(values(aws_cloudwatch_metric_alarm.this)[*].alarm_name, aws_cloudwatch_metric_alarm.errors_5xx[*].alarm_name))
}

output "dashboard_name" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}
