package infra

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/budgets"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"
)

// inventory names everything of the kinds that the project makes which exists in
// the account, by kind. Two of them are equal when nothing came or went.
func inventory(t *testing.T, cfg aws.Config) map[string][]string {
	t.Helper()
	ctx := t.Context()
	found := map[string][]string{}
	add := func(kind string, id *string) { found[kind] = append(found[kind], aws.ToString(id)) }

	network := ec2.NewFromConfig(cfg)
	vpcs, err := network.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	require.NoError(t, err)
	for _, v := range vpcs.Vpcs {
		add("vpc", v.VpcId)
	}
	subnets, err := network.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	require.NoError(t, err)
	for _, s := range subnets.Subnets {
		add("subnet", s.SubnetId)
	}
	groups, err := network.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
	require.NoError(t, err)
	for _, g := range groups.SecurityGroups {
		add("security group", g.GroupId)
	}
	addresses, err := network.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{})
	require.NoError(t, err)
	for _, a := range addresses.Addresses {
		add("address", a.AllocationId)
	}
	gateways, err := network.DescribeNatGateways(ctx, &ec2.DescribeNatGatewaysInput{Filter: []ec2types.Filter{
		{Name: aws.String("state"), Values: []string{"pending", "available", "deleting"}},
	}})
	require.NoError(t, err)
	for _, g := range gateways.NatGateways {
		add("NAT gateway", g.NatGatewayId)
	}

	balancers := elb.NewFromConfig(cfg)
	loads, err := balancers.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{})
	require.NoError(t, err)
	for _, b := range loads.LoadBalancers {
		add("load balancer", b.LoadBalancerArn)
	}
	targets, err := balancers.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{})
	require.NoError(t, err)
	for _, g := range targets.TargetGroups {
		add("target group", g.TargetGroupArn)
	}

	containers := ecs.NewFromConfig(cfg)
	clusters, err := containers.ListClusters(ctx, &ecs.ListClustersInput{})
	require.NoError(t, err)
	described, err := containers.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: clusters.ClusterArns})
	require.NoError(t, err)
	for _, c := range described.Clusters {
		// A deleted cluster can be described for a while, as inactive.
		if aws.ToString(c.Status) == "ACTIVE" {
			add("cluster", c.ClusterArn)
		}
	}
	definitions, err := containers.ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{Status: ecstypes.TaskDefinitionStatusActive})
	require.NoError(t, err)
	for _, arn := range definitions.TaskDefinitionArns {
		add("task definition", aws.String(arn))
	}
	repositories, err := ecr.NewFromConfig(cfg).DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{})
	require.NoError(t, err)
	for _, r := range repositories.Repositories {
		add("repository", r.RepositoryName)
	}

	edge := cloudfront.NewFromConfig(cfg)
	distributions, err := edge.ListDistributions(ctx, &cloudfront.ListDistributionsInput{})
	require.NoError(t, err)
	for _, d := range distributions.DistributionList.Items {
		add("distribution", d.Id)
	}
	functions, err := edge.ListFunctions(ctx, &cloudfront.ListFunctionsInput{})
	require.NoError(t, err)
	for _, f := range functions.FunctionList.Items {
		add("function", f.Name)
	}
	origins, err := edge.ListVpcOrigins(ctx, &cloudfront.ListVpcOriginsInput{})
	require.NoError(t, err)
	for _, o := range origins.VpcOriginList.Items {
		add("VPC origin", o.Id)
	}
	controls, err := edge.ListOriginAccessControls(ctx, &cloudfront.ListOriginAccessControlsInput{})
	require.NoError(t, err)
	for _, c := range controls.OriginAccessControlList.Items {
		add("origin access control", c.Id)
	}
	headers, err := edge.ListResponseHeadersPolicies(ctx, &cloudfront.ListResponseHeadersPoliciesInput{})
	require.NoError(t, err)
	for _, p := range headers.ResponseHeadersPolicyList.Items {
		add("response headers policy", p.ResponseHeadersPolicy.Id)
	}

	buckets, err := s3.NewFromConfig(cfg).ListBuckets(ctx, &s3.ListBucketsInput{})
	require.NoError(t, err)
	for _, b := range buckets.Buckets {
		add("bucket", b.Name)
	}
	secrets, err := secretsmanager.NewFromConfig(cfg).ListSecrets(ctx, &secretsmanager.ListSecretsInput{})
	require.NoError(t, err)
	for _, s := range secrets.SecretList {
		add("secret", s.ARN)
	}
	logs, err := cloudwatchlogs.NewFromConfig(cfg).DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{})
	require.NoError(t, err)
	for _, g := range logs.LogGroups {
		add("log group", g.LogGroupName)
	}
	roles, err := iam.NewFromConfig(cfg).ListRoles(ctx, &iam.ListRolesInput{})
	require.NoError(t, err)
	for _, r := range roles.Roles {
		// AWS makes roles of its own for its services and never takes them away.
		if !strings.HasPrefix(aws.ToString(r.Path), "/aws-service-role/") {
			add("role", r.RoleName)
		}
	}
	inventoryOfTraffic(t, cfg, add)
	addData(t, cfg, add)
	addWatch(t, cfg, add)
	return found
}

// addData adds what the module data makes, but for buckets and secrets.
func addData(t *testing.T, cfg aws.Config, add func(kind string, id *string)) {
	t.Helper()
	ctx := t.Context()
	databases := rds.NewFromConfig(cfg)
	instances, err := databases.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{})
	require.NoError(t, err)
	for _, i := range instances.DBInstances {
		add("database", i.DBInstanceIdentifier)
	}
	snapshots, err := databases.DescribeDBSnapshots(ctx, &rds.DescribeDBSnapshotsInput{})
	require.NoError(t, err)
	for _, s := range snapshots.DBSnapshots {
		add("database snapshot", s.DBSnapshotIdentifier)
	}
	backups, err := databases.DescribeDBInstanceAutomatedBackups(ctx, &rds.DescribeDBInstanceAutomatedBackupsInput{})
	require.NoError(t, err)
	for _, b := range backups.DBInstanceAutomatedBackups {
		add("database backup", b.DBInstanceIdentifier)
	}
	parameters, err := databases.DescribeDBParameterGroups(ctx, &rds.DescribeDBParameterGroupsInput{})
	require.NoError(t, err)
	for _, g := range parameters.DBParameterGroups {
		add("database parameters", g.DBParameterGroupName)
	}
	places, err := databases.DescribeDBSubnetGroups(ctx, &rds.DescribeDBSubnetGroupsInput{})
	require.NoError(t, err)
	for _, g := range places.DBSubnetGroups {
		add("database subnets", g.DBSubnetGroupName)
	}
	caches := elasticache.NewFromConfig(cfg)
	replicated, err := caches.DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{})
	require.NoError(t, err)
	for _, g := range replicated.ReplicationGroups {
		add("replication group", g.ReplicationGroupId)
	}
	users, err := caches.DescribeUsers(ctx, &elasticache.DescribeUsersInput{})
	require.NoError(t, err)
	for _, u := range users.Users {
		add("cache user", u.UserId)
	}
	groups, err := caches.DescribeUserGroups(ctx, &elasticache.DescribeUserGroupsInput{})
	require.NoError(t, err)
	for _, g := range groups.UserGroups {
		add("cache user group", g.UserGroupId)
	}
	subnets, err := caches.DescribeCacheSubnetGroups(ctx, &elasticache.DescribeCacheSubnetGroupsInput{})
	require.NoError(t, err)
	for _, g := range subnets.CacheSubnetGroups {
		add("cache subnets", g.CacheSubnetGroupName)
	}
}

// addWatch adds what watches, and what is let in. Keys that are to go in a week are
// gone as far as anybody can make them.
func addWatch(t *testing.T, cfg aws.Config, add func(kind string, id *string)) {
	t.Helper()
	ctx := t.Context()
	watch := cloudwatch.NewFromConfig(cfg)
	alarms, err := watch.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{})
	require.NoError(t, err)
	for _, a := range alarms.MetricAlarms {
		add("alarm", a.AlarmName)
	}
	dashboards, err := watch.ListDashboards(ctx, &cloudwatch.ListDashboardsInput{})
	require.NoError(t, err)
	for _, d := range dashboards.DashboardEntries {
		add("dashboard", d.DashboardName)
	}
	topics, err := sns.NewFromConfig(cfg).ListTopics(ctx, &sns.ListTopicsInput{})
	require.NoError(t, err)
	for _, one := range topics.Topics {
		add("topic", one.TopicArn)
	}
	spending, err := budgets.NewFromConfig(cfg).DescribeBudgets(ctx, &budgets.DescribeBudgetsInput{AccountId: aws.String(account)})
	require.NoError(t, err)
	for _, b := range spending.Budgets {
		add("budget", b.BudgetName)
	}
	identities := iam.NewFromConfig(cfg)
	policies, err := identities.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: iamtypes.PolicyScopeTypeLocal})
	require.NoError(t, err)
	for _, p := range policies.Policies {
		add("policy", p.PolicyName)
	}
	providers, err := identities.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{})
	require.NoError(t, err)
	for _, p := range providers.OpenIDConnectProviderList {
		add("identity provider", p.Arn)
	}
}
