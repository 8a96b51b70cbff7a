resource "aws_budgets_budget" "this" {
  count = var.budget == null ? 0 : 1

  name         = "${var.name_prefix}-monthly"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.budget.monthly_usd)
  limit_unit   = "USD"

  dynamic "cost_filter" {
    for_each = length(var.budget.tags) == 0 ? [] : [[for key, value in var.budget.tags : format("user:%s$%s", key, value)]]

    content {
      name   = "TagKeyValue"
      values = cost_filter.value
    }
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      notification_type         = notification.key
      comparison_operator       = "GREATER_THAN"
      threshold                 = notification.value
      threshold_type            = "PERCENTAGE"
      subscriber_sns_topic_arns = [aws_sns_topic.alarms.arn]
    }
  }

  # Budgets tries the topic when it is named.
  depends_on = [aws_sns_topic_policy.alarms]
}
