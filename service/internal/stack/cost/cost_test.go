package cost_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/cost"
)

type values = map[string]any

func managed(address, kind string, attributes values) *tfjson.StateResource {
	return &tfjson.StateResource{Address: address, Mode: tfjson.ManagedResourceMode, Type: kind, AttributeValues: attributes}
}

func plan(resources ...*tfjson.StateResource) *tfjson.Plan {
	return &tfjson.Plan{PlannedValues: &tfjson.StateValues{RootModule: &tfjson.StateModule{
		ChildModules: []*tfjson.StateModule{{Address: "module.a", Resources: resources}},
	}}}
}

func service(count float64, provider, architecture string, public bool) []*tfjson.StateResource {
	return []*tfjson.StateResource{
		managed("module.a.aws_ecs_service.this", "aws_ecs_service", values{
			"desired_count":              count,
			"capacity_provider_strategy": []any{values{"capacity_provider": provider, "weight": 1.0}},
			"network_configuration":      []any{values{"assign_public_ip": public}},
		}),
		managed("module.a.aws_ecs_task_definition.this", "aws_ecs_task_definition", values{
			"cpu": "1024", "memory": "2048", "runtime_platform": []any{values{"cpu_architecture": architecture}},
		}),
	}
}

func lines(report cost.Report) map[string]float64 {
	monthly := map[string]float64{}
	for _, line := range report.Lines {
		monthly[line.Resource] = line.Monthly
	}
	return monthly
}

func saving(t *testing.T, report cost.Report, part string) float64 {
	t.Helper()
	for _, choice := range report.Choices {
		if strings.HasPrefix(choice.Text, part) {
			return choice.Saves
		}
	}
	return 0
}

func TestTasksCostWhatTheirSizeArchitectureAndCapacitySay(t *testing.T) {
	for _, c := range []struct {
		count                  float64
		provider, architecture string
		public                 bool
		want                   float64
	}{
		{1, "FARGATE", "X86_64", false, 730 * (0.0445 + 2*0.0049)},
		{1, "FARGATE", "ARM64", false, 730 * (0.0356 + 2*0.0039)},
		{3, "FARGATE", "ARM64", false, 3 * 730 * (0.0356 + 2*0.0039)},
		{1, "FARGATE_SPOT", "ARM64", false, 730 * (0.0356 + 2*0.0039) * 0.3},
		{2, "FARGATE", "ARM64", true, 2 * 730 * (0.0356 + 2*0.0039 + 0.005)},
	} {
		report, err := cost.Estimate("eu-north-1", plan(service(c.count, c.provider, c.architecture, c.public)...))
		require.NoError(t, err)
		require.InDelta(t, c.want, report.Total, 0.005)
		require.Empty(t, report.Unknown)
	}
}

func TestAutoscaledServiceCostsItsSmallestNumberOfTasks(t *testing.T) {
	resources := append(service(1, "FARGATE", "ARM64", false), managed("module.a.aws_appautoscaling_target.this", "aws_appautoscaling_target", values{"min_capacity": 2.0}),
		managed("module.a.aws_appautoscaling_policy.cpu", "aws_appautoscaling_policy", values{"policy_type": "TargetTrackingScaling"}))
	report, err := cost.Estimate("eu-north-1", plan(resources...))
	require.NoError(t, err)
	require.InDelta(t, 2*730*(0.0356+2*0.0039)+2*0.10, report.Total, 0.005, "and the two alarms of what they follow")
	require.Empty(t, report.Unknown)
}

func TestChoicesSayWhatTheyWouldSave(t *testing.T) {
	resources := append(service(2, "FARGATE", "X86_64", false),
		managed("module.a.aws_nat_gateway.a", "aws_nat_gateway", nil), managed("module.a.aws_eip.a", "aws_eip", nil),
		managed("module.a.aws_nat_gateway.b", "aws_nat_gateway", nil), managed("module.a.aws_eip.b", "aws_eip", nil),
		managed("module.a.aws_subnet.a", "aws_subnet", values{"availability_zone": "eu-west-2a"}),
		managed("module.a.aws_subnet.b", "aws_subnet", values{"availability_zone": "eu-west-2b"}),
		managed("module.a.aws_subnet.c", "aws_subnet", values{"availability_zone": "eu-west-2b"}),
		managed("module.a.aws_vpc_endpoint.ecr", "aws_vpc_endpoint", values{"vpc_endpoint_type": "Interface"}),
		managed("module.a.aws_vpc_endpoint.s3", "aws_vpc_endpoint", values{"vpc_endpoint_type": "Gateway"}),
		managed("module.a.aws_db_instance.this", "aws_db_instance", values{"instance_class": "db.t4g.micro", "allocated_storage": 20.0, "multi_az": true}),
		managed("module.a.aws_elasticache_replication_group.this", "aws_elasticache_replication_group", values{"node_type": "cache.t4g.micro", "num_cache_clusters": 2.0}),
		managed("module.a.aws_wafv2_web_acl.this", "aws_wafv2_web_acl", values{"rule": []any{values{}, values{}}}),
		managed("module.a.aws_lb.this", "aws_lb", values{"internal": false}),
		managed("module.a.aws_kms_key.this", "aws_kms_key", nil),
	)
	report, err := cost.Estimate("eu-west-2", plan(resources...))
	require.NoError(t, err)
	monthly := lines(report)
	require.InDelta(t, 2*730*(0.04656+2*0.00511), monthly["module.a.aws_ecs_service.this"], 0.005)
	require.InDelta(t, 730*0.05, monthly["module.a.aws_nat_gateway.a"], 0.005)
	require.InDelta(t, 2*730*0.011, monthly["module.a.aws_vpc_endpoint.ecr"], 0.005, "an endpoint in each of two zones")
	require.NotContains(t, monthly, "module.a.aws_vpc_endpoint.s3")
	require.InDelta(t, 2*(730*0.018+20*0.133), monthly["module.a.aws_db_instance.this"], 0.005)
	require.InDelta(t, 730*(0.02646+2*0.005), monthly["module.a.aws_lb.this"], 0.005, "a public address in each of two zones")
	require.InDelta(t, 7, monthly["module.a.aws_wafv2_web_acl.this"], 0.005)

	require.InDelta(t, 0.7*2*730*(0.04656+2*0.00511), saving(t, report, "tasks on Spot"), 0.01)
	require.InDelta(t, 2*730*(0.04656-0.03725+2*(0.00511-0.00409)), saving(t, report, "tasks on ARM64"), 0.01)
	require.InDelta(t, 730*(0.04656+2*0.00511), saving(t, report, "one task"), 0.01)
	require.InDelta(t, 730*0.055, saving(t, report, "one NAT gateway"), 0.01)
	require.InDelta(t, 2*730*0.055-2*730*0.005, saving(t, report, "no NAT gateway"), 0.01)
	require.InDelta(t, 730*0.018+20*0.133, saving(t, report, "PostgreSQL in one zone"), 0.01)
	require.InDelta(t, 730*0.0144, saving(t, report, "one Valkey node"), 0.01)
	require.InDelta(t, 7, saving(t, report, "no web ACL"), 0.01)
	require.InDelta(t, 2*730*0.011, saving(t, report, "no interface endpoints"), 0.01)
	for i := 1; i < len(report.Choices); i++ {
		require.GreaterOrEqual(t, report.Choices[i-1].Saves, report.Choices[i].Saves, "the largest first")
	}
	sum := 0.0
	for _, usd := range monthly {
		sum += usd
	}
	require.InDelta(t, sum, report.Total, 0.005)
}

func TestNoResourceIsLeftOutInSilence(t *testing.T) {
	report, err := cost.Estimate("eu-north-1", plan(managed("module.a.aws_instance.big", "aws_instance", nil), managed("module.a.aws_iam_role.this", "aws_iam_role", nil)))
	require.NoError(t, err)
	require.Equal(t, []string{"module.a.aws_instance.big"}, report.Unknown)
}

func TestWhatHasNoPriceIsNamed(t *testing.T) {
	_, err := cost.Estimate("us-east-1", plan())
	require.ErrorContains(t, err, `no prices for region "us-east-1": the table has eu-north-1 and eu-west-2`)
	_, err = cost.Estimate("eu-north-1", plan(managed("module.a.aws_db_instance.this", "aws_db_instance", values{"instance_class": "db.r6g.16xlarge"})))
	require.ErrorContains(t, err, `price module.a.aws_db_instance.this: there is no price for "db.r6g.16xlarge"`)
}

func TestEveryRegionHasTheSamePrices(t *testing.T) {
	text, err := os.ReadFile("prices.json")
	require.NoError(t, err)
	var table struct{ Regions map[string]map[string]any }
	require.NoError(t, json.Unmarshal(text, &table))
	require.GreaterOrEqual(t, len(table.Regions), 2)
	var names func(prefix string, prices map[string]any) []string
	names = func(prefix string, prices map[string]any) (found []string) {
		for name, price := range prices {
			switch price := price.(type) {
			case float64:
				require.Positive(t, price, prefix+name)
				found = append(found, prefix+name)
			case map[string]any:
				found = append(found, names(prefix+name+"/", price)...)
			}
		}
		return found
	}
	for region, prices := range table.Regions {
		require.ElementsMatch(t, names("", table.Regions["eu-north-1"]), names("", prices), region)
	}
}
