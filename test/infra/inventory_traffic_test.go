package infra

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scalingtypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/wafv2"
	waftypes "github.com/aws/aws-sdk-go-v2/service/wafv2/types"
	"github.com/stretchr/testify/require"
)

// inventoryOfTraffic is the part of inventory about names, certificates, firewalls,
// endpoints, and what changes the number of tasks or deploys them.
func inventoryOfTraffic(t *testing.T, cfg aws.Config, add func(kind string, id *string)) {
	t.Helper()
	ctx := t.Context()
	east := cfg.Copy()
	east.Region = "us-east-1" // where CloudFront has what it uses

	network := ec2.NewFromConfig(cfg)
	endpoints, err := network.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{})
	require.NoError(t, err)
	for _, e := range endpoints.VpcEndpoints {
		if e.State != "deleted" {
			add("endpoint", e.VpcEndpointId)
		}
	}
	flows, err := network.DescribeFlowLogs(ctx, &ec2.DescribeFlowLogsInput{})
	require.NoError(t, err)
	for _, f := range flows.FlowLogs {
		add("flow log", f.FlowLogId)
	}
	outward, err := network.DescribeEgressOnlyInternetGateways(ctx, &ec2.DescribeEgressOnlyInternetGatewaysInput{})
	require.NoError(t, err)
	for _, g := range outward.EgressOnlyInternetGateways {
		add("egress-only gateway", g.EgressOnlyInternetGatewayId)
	}

	for _, where := range []aws.Config{cfg, east} {
		certificates, err := acm.NewFromConfig(where).ListCertificates(ctx, &acm.ListCertificatesInput{})
		require.NoError(t, err)
		for _, c := range certificates.CertificateSummaryList {
			add("certificate", c.CertificateArn)
		}
	}
	zones, err := route53.NewFromConfig(cfg).ListHostedZones(ctx, &route53.ListHostedZonesInput{})
	require.NoError(t, err)
	for _, z := range zones.HostedZones {
		add("zone", z.Id)
	}
	firewalls, err := wafv2.NewFromConfig(east).ListWebACLs(ctx, &wafv2.ListWebACLsInput{Scope: waftypes.ScopeCloudfront})
	require.NoError(t, err)
	for _, f := range firewalls.WebACLs {
		add("firewall", f.ARN)
	}
	logs := cloudwatchlogs.NewFromConfig(east)
	sources, err := logs.DescribeDeliverySources(ctx, &cloudwatchlogs.DescribeDeliverySourcesInput{})
	require.NoError(t, err)
	for _, s := range sources.DeliverySources {
		add("delivery source", s.Arn)
	}
	groups, err := logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{})
	require.NoError(t, err)
	for _, g := range groups.LogGroups {
		add("log group in us-east-1", g.LogGroupName)
	}

	targets, err := applicationautoscaling.NewFromConfig(cfg).DescribeScalableTargets(ctx, &applicationautoscaling.DescribeScalableTargetsInput{ServiceNamespace: scalingtypes.ServiceNamespaceEcs})
	require.NoError(t, err)
	for _, s := range targets.ScalableTargets {
		add("scalable target", s.ResourceId)
	}
	applications, err := codedeploy.NewFromConfig(cfg).ListApplications(ctx, &codedeploy.ListApplicationsInput{})
	require.NoError(t, err)
	for _, name := range applications.Applications {
		add("CodeDeploy application", aws.String(name))
	}
}
