package infra

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/budgets"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/gruntwork-io/terratest/modules/terraform"
	"github.com/stretchr/testify/require"
)

func TestObservabilityExample(t *testing.T) {
	t.Parallel()
	applied(t, "modules/observability/examples/complete", nil, func(o *terraform.Options, cfg aws.Config) {
		var out struct {
			Topic     string   `json:"topic_arn"`
			Alarms    []string `json:"alarm_names"`
			Dashboard string   `json:"dashboard_name"`
		}
		terraform.OutputStructContext(t, t.Context(), o, "observability", &out)
		api := cloudwatch.NewFromConfig(cfg)
		alarms, err := api.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{})
		require.NoError(t, err)
		var names []string
		for _, alarm := range alarms.MetricAlarms {
			names = append(names, *alarm.AlarmName)
			require.Equal(t, []string{out.Topic}, alarm.AlarmActions, *alarm.AlarmName)
			require.Equal(t, []string{out.Topic}, alarm.OKActions, *alarm.AlarmName)
		}
		require.ElementsMatch(t, out.Alarms, names)
		require.Len(t, names, 10)

		topic := sns.NewFromConfig(cfg)
		attributes, err := topic.GetTopicAttributes(t.Context(), &sns.GetTopicAttributesInput{TopicArn: &out.Topic})
		require.NoError(t, err)
		require.Contains(t, attributes.Attributes["KmsMasterKeyId"], ":key/")
		require.Contains(t, attributes.Attributes["Policy"], "aws:SourceAccount")
		subscribed, err := topic.ListSubscriptionsByTopic(t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: &out.Topic})
		require.NoError(t, err)
		require.Equal(t, "operations@example.com", *subscribed.Subscriptions[0].Endpoint)

		filters, err := cloudwatchlogs.NewFromConfig(cfg).DescribeMetricFilters(t.Context(), &cloudwatchlogs.DescribeMetricFiltersInput{})
		require.NoError(t, err)
		require.Len(t, filters.MetricFilters, 2)

		dashboard, err := api.GetDashboard(t.Context(), &cloudwatch.GetDashboardInput{DashboardName: &out.Dashboard})
		require.NoError(t, err)
		var body struct{ Widgets []any }
		require.NoError(t, json.Unmarshal([]byte(*dashboard.DashboardBody), &body))
		require.Len(t, body.Widgets, 8)

		told, err := budgets.NewFromConfig(cfg).DescribeNotificationsForBudget(t.Context(), &budgets.DescribeNotificationsForBudgetInput{
			AccountId: aws.String(account), BudgetName: aws.String(named("observability-example") + "-monthly"),
		})
		require.NoError(t, err)
		require.Len(t, told.Notifications, 2)
	})
}
