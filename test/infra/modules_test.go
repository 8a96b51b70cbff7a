package infra

import (
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scalingtypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	cftypes "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	codedeploytypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/wafv2"
	waftypes "github.com/aws/aws-sdk-go-v2/service/wafv2/types"
	"github.com/gruntwork-io/terratest/modules/terraform"
	"github.com/stretchr/testify/require"
)

func TestNetworkExample(t *testing.T) {
	t.Parallel()
	applied(t, "modules/network/examples/complete", nil, func(o *terraform.Options, cfg aws.Config) {
		var out struct {
			VPCID            string   `json:"vpc_id"`
			Zones            []string `json:"availability_zones"`
			PublicSubnetIDs  []string `json:"public_subnet_ids"`
			PrivateSubnetIDs []string `json:"private_subnet_ids"`
			NatPublicIPs     []string `json:"nat_public_ips"`
			FlowLogGroup     string   `json:"flow_log_group_name"`
		}
		terraform.OutputStructContext(t, t.Context(), o, "network", &out)
		require.Len(t, out.Zones, 3)
		require.Len(t, out.NatPublicIPs, 3)
		api := ec2.NewFromConfig(cfg)
		inVPC := []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{out.VPCID}}}

		subnets, err := api.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{Filters: inVPC})
		require.NoError(t, err)
		require.Len(t, subnets.Subnets, 6)
		zone := map[string]string{}
		for _, s := range subnets.Subnets {
			zone[*s.SubnetId] = *s.AvailabilityZone
			require.False(t, *s.MapPublicIpOnLaunch)
		}

		// Where each subnet's traffic to the internet goes.
		tables, err := api.DescribeRouteTables(t.Context(), &ec2.DescribeRouteTablesInput{Filters: inVPC})
		require.NoError(t, err)
		way := map[string]ec2types.Route{}
		var tableIDs []string
		for _, table := range tables.RouteTables {
			for _, association := range table.Associations {
				if association.SubnetId == nil {
					continue
				}
				for _, route := range table.Routes {
					if aws.ToString(route.DestinationCidrBlock) == "0.0.0.0/0" {
						way[*association.SubnetId] = route
					}
				}
				tableIDs = append(tableIDs, *table.RouteTableId)
			}
		}
		gateways, err := api.DescribeNatGateways(t.Context(), &ec2.DescribeNatGatewaysInput{Filter: inVPC})
		require.NoError(t, err)
		require.Len(t, gateways.NatGateways, 3)
		gatewayZone := map[string]string{}
		for _, g := range gateways.NatGateways {
			gatewayZone[*g.NatGatewayId] = zone[*g.SubnetId]
		}
		for _, id := range out.PublicSubnetIDs {
			require.Contains(t, aws.ToString(way[id].GatewayId), "igw-")
		}
		for _, id := range out.PrivateSubnetIDs {
			require.Equal(t, zone[id], gatewayZone[aws.ToString(way[id].NatGatewayId)], "private traffic leaves through its own zone")
		}

		endpoints, err := api.DescribeVpcEndpoints(t.Context(), &ec2.DescribeVpcEndpointsInput{Filters: inVPC})
		require.NoError(t, err)
		var inside []string
		for _, endpoint := range endpoints.VpcEndpoints {
			inside = append(inside, strings.TrimPrefix(*endpoint.ServiceName, "com.amazonaws."+region+"."))
			if endpoint.VpcEndpointType == ec2types.VpcEndpointTypeGateway {
				require.Subset(t, endpoint.RouteTableIds, tableIDs)
				require.Subset(t, tableIDs, endpoint.RouteTableIds)
				continue
			}
			require.ElementsMatch(t, out.PrivateSubnetIDs, endpoint.SubnetIds)
			require.True(t, *endpoint.PrivateDnsEnabled)
			ways := ingress(t, api, *endpoint.Groups[0].GroupId)[*endpoint.Groups[0].GroupId]
			require.Len(t, ways, 1)
			require.Equal(t, "10.20.0.0/16", *ways[0].CidrIpv4)
			require.EqualValues(t, 443, *ways[0].FromPort)
		}
		require.ElementsMatch(t, []string{"s3", "ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssmmessages"}, inside)

		// IPv6: a range in each subnet, and a way out of private ones that lets nothing in.
		for _, s := range subnets.Subnets {
			require.Len(t, s.Ipv6CidrBlockAssociationSet, 1)
		}
		outward, err := api.DescribeEgressOnlyInternetGateways(t.Context(), &ec2.DescribeEgressOnlyInternetGatewaysInput{})
		require.NoError(t, err)
		require.Len(t, outward.EgressOnlyInternetGateways, 1)
		for _, table := range tables.RouteTables {
			for _, route := range table.Routes {
				if aws.ToString(route.DestinationIpv6CidrBlock) != "::/0" {
					continue
				}
				for _, association := range table.Associations {
					if slices.Contains(out.PrivateSubnetIDs, aws.ToString(association.SubnetId)) {
						require.Equal(t, outward.EgressOnlyInternetGateways[0].EgressOnlyInternetGatewayId, route.EgressOnlyInternetGatewayId)
					} else {
						require.Contains(t, aws.ToString(route.GatewayId), "igw-")
					}
				}
			}
		}

		flows, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{})
		require.NoError(t, err)
		require.Len(t, flows.FlowLogs, 1)
		require.Equal(t, out.VPCID, *flows.FlowLogs[0].ResourceId)
		require.EqualValues(t, 60, *flows.FlowLogs[0].MaxAggregationInterval)
		logs, err := cloudwatchlogs.NewFromConfig(cfg).DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &out.FlowLogGroup})
		require.NoError(t, err)
		require.EqualValues(t, 14, *logs.LogGroups[0].RetentionInDays)
		require.NotEmpty(t, *logs.LogGroups[0].KmsKeyId)

		groups, err := api.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{Filters: append(inVPC, ec2types.Filter{Name: aws.String("group-name"), Values: []string{"default"}})})
		require.NoError(t, err)
		require.Len(t, groups.SecurityGroups, 1)
		require.Empty(t, groups.SecurityGroups[0].IpPermissions)
		require.Empty(t, groups.SecurityGroups[0].IpPermissionsEgress)
	})
}

func TestNetworkMinimalExample(t *testing.T) {
	t.Parallel()
	applied(t, "modules/network/examples/minimal", nil, func(o *terraform.Options, cfg aws.Config) {
		var out struct {
			VPCID            string   `json:"vpc_id"`
			PrivateSubnetIDs []string `json:"private_subnet_ids"`
		}
		terraform.OutputStructContext(t, t.Context(), o, "network", &out)
		api := ec2.NewFromConfig(cfg)
		inVPC := []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{out.VPCID}}}
		subnets, err := api.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{Filters: inVPC})
		require.NoError(t, err)
		require.Len(t, subnets.Subnets, 4)
		endpoints, err := api.DescribeVpcEndpoints(t.Context(), &ec2.DescribeVpcEndpointsInput{Filters: inVPC})
		require.NoError(t, err)
		require.Len(t, endpoints.VpcEndpoints, 1, "S3's, which is free")
		tables, err := api.DescribeRouteTables(t.Context(), &ec2.DescribeRouteTablesInput{Filters: inVPC})
		require.NoError(t, err)
		for _, table := range tables.RouteTables {
			for _, association := range table.Associations {
				if !slices.Contains(out.PrivateSubnetIDs, aws.ToString(association.SubnetId)) {
					continue
				}
				for _, route := range table.Routes {
					require.NotEqual(t, "0.0.0.0/0", aws.ToString(route.DestinationCidrBlock), "private subnets have no way out")
				}
			}
		}
	})
}

func TestECRExamples(t *testing.T) {
	t.Parallel()
	t.Run("minimal", func(t *testing.T) {
		t.Parallel()
		applied(t, "modules/ecr/examples/minimal", nil, func(o *terraform.Options, cfg aws.Config) {
			repository, api := ecrRepository(t, o, cfg)
			require.Equal(t, ecrtypes.EncryptionTypeAes256, repository.EncryptionConfiguration.EncryptionType)
			_, err := api.GetRepositoryPolicy(t.Context(), &ecr.GetRepositoryPolicyInput{RepositoryName: repository.RepositoryName})
			var none *ecrtypes.RepositoryPolicyNotFoundException
			require.ErrorAs(t, err, &none, "nobody of another account may pull")
		})
	})
	t.Run("complete", func(t *testing.T) {
		t.Parallel()
		applied(t, "modules/ecr/examples/complete", nil, func(o *terraform.Options, cfg aws.Config) {
			repository, api := ecrRepository(t, o, cfg)
			require.Equal(t, named("ecr-example")+"/notebook", *repository.RepositoryName)
			require.Equal(t, ecrtypes.EncryptionTypeKms, repository.EncryptionConfiguration.EncryptionType)
			require.Contains(t, *repository.EncryptionConfiguration.KmsKey, ":key/")
			lifecycle, err := api.GetLifecyclePolicy(t.Context(), &ecr.GetLifecyclePolicyInput{RepositoryName: repository.RepositoryName})
			require.NoError(t, err)
			require.Contains(t, *lifecycle.LifecyclePolicyText, `"countNumber":20`)
			policy, err := api.GetRepositoryPolicy(t.Context(), &ecr.GetRepositoryPolicyInput{RepositoryName: repository.RepositoryName})
			require.NoError(t, err)
			require.Contains(t, *policy.PolicyText, "arn:aws:iam::210987654321:root")
			require.NotContains(t, *policy.PolicyText, "PutImage")
		})
	})
}

// ecrRepository is the one of the example, after a look at what each must be.
func ecrRepository(t *testing.T, o *terraform.Options, cfg aws.Config) (ecrtypes.Repository, *ecr.Client) {
	t.Helper()
	var out struct {
		Name string `json:"repository_name"`
		URL  string `json:"repository_url"`
	}
	terraform.OutputStructContext(t, t.Context(), o, "ecr", &out)
	api := ecr.NewFromConfig(cfg)
	found, err := api.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: []string{out.Name}})
	require.NoError(t, err)
	repository := found.Repositories[0]
	require.Equal(t, *repository.RepositoryUri, out.URL)
	require.Equal(t, ecrtypes.ImageTagMutabilityImmutable, repository.ImageTagMutability)
	require.True(t, repository.ImageScanningConfiguration.ScanOnPush)
	return repository, api
}

func TestFrontendCDNMinimalExample(t *testing.T) {
	t.Parallel()
	applied(t, "modules/frontend-cdn/examples/minimal", nil, func(o *terraform.Options, cfg aws.Config) {
		var out struct {
			Bucket       string `json:"bucket_name"`
			Distribution string `json:"distribution_id"`
			Function     string `json:"spa_function_name"`
			VPCOrigin    string `json:"vpc_origin_id"`
			Headers      string `json:"api_response_headers_policy_id"`
			Sandbox      string `json:"sandbox_headers_policy_id"`
			URL          string `json:"url"`
		}
		terraform.OutputStructContext(t, t.Context(), o, "frontend_cdn", &out)
		api := cloudfront.NewFromConfig(cfg)
		got, err := api.GetDistribution(t.Context(), &cloudfront.GetDistributionInput{Id: &out.Distribution})
		require.NoError(t, err)
		require.Equal(t, "https://"+*got.Distribution.DomainName, out.URL)
		edge := got.Distribution.DistributionConfig
		require.Equal(t, cftypes.HttpVersionHttp2and3, edge.HttpVersion)
		require.True(t, *edge.IsIPV6Enabled)
		require.Equal(t, "index.html", *edge.DefaultRootObject)
		require.Zero(t, *edge.CustomErrorResponses.Quantity)

		origins := map[string]cftypes.Origin{}
		for _, origin := range edge.Origins.Items {
			origins[*origin.Id] = origin
		}
		page := origins[*edge.DefaultCacheBehavior.TargetOriginId]
		require.Equal(t, out.Bucket+".s3."+region+".amazonaws.com", *page.DomainName)
		require.NotEmpty(t, *page.OriginAccessControlId)
		association := edge.DefaultCacheBehavior.FunctionAssociations.Items[0]
		require.Equal(t, cftypes.EventTypeViewerRequest, association.EventType)
		behaviours := edge.CacheBehaviors.Items
		var paths []string
		for _, behaviour := range behaviours {
			paths = append(paths, *behaviour.PathPattern)
		}
		require.Equal(t, []string{"/api/*", "/health", "/assets/sandbox-*"}, paths)
		require.Equal(t, *edge.DefaultCacheBehavior.TargetOriginId, *behaviours[2].TargetOriginId)
		require.Equal(t, out.Sandbox, *behaviours[2].ResponseHeadersPolicyId)
		for _, behaviour := range behaviours[:2] {
			origin := origins[*behaviour.TargetOriginId]
			require.Equal(t, out.VPCOrigin, *origin.VpcOriginConfig.VpcOriginId)
			require.EqualValues(t, 60, *origin.VpcOriginConfig.OriginReadTimeout)
			require.Equal(t, out.Headers, *behaviour.ResponseHeadersPolicyId)
			require.Zero(t, *behaviour.FunctionAssociations.Quantity)
		}

		// The function that runs is the file that TestSPAFunction tries.
		want, err := os.ReadFile(spaFunction())
		require.NoError(t, err)
		live, err := api.GetFunction(t.Context(), &cloudfront.GetFunctionInput{Name: &out.Function, Stage: cftypes.FunctionStageLive})
		require.NoError(t, err)
		require.Equal(t, string(want), string(live.FunctionCode))

		origin, err := api.GetVpcOrigin(t.Context(), &cloudfront.GetVpcOriginInput{Id: &out.VPCOrigin})
		require.NoError(t, err)
		balancers, err := elb.NewFromConfig(cfg).DescribeLoadBalancers(t.Context(), &elb.DescribeLoadBalancersInput{})
		require.NoError(t, err)
		require.Equal(t, balancers.LoadBalancers[0].LoadBalancerArn, origin.VpcOrigin.VpcOriginEndpointConfig.Arn)

		files := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		requireClosed(t, files, out.Bucket)
		policy, err := files.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: &out.Bucket})
		require.NoError(t, err)
		require.Contains(t, *policy.Policy, *got.Distribution.ARN)

		// A page with an old version and a deleted file doesn't hinder the destroy.
		for _, key := range []string{"index.html", "index.html", "old.js"} {
			_, err = files.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &out.Bucket, Key: aws.String(key)})
			require.NoError(t, err)
		}
		_, err = files.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &out.Bucket, Key: aws.String("old.js")})
		require.NoError(t, err)
	})
}

// The fullest form: a public origin, names and a certificate of its own, a firewall,
// logs and a key.
func TestFrontendCDNExample(t *testing.T) {
	t.Parallel()
	applied(t, "modules/frontend-cdn/examples/complete", nil, func(o *terraform.Options, cfg aws.Config) {
		var out struct {
			Bucket       string  `json:"bucket_name"`
			Distribution string  `json:"distribution_id"`
			VPCOrigin    *string `json:"vpc_origin_id"`
			URL          string  `json:"url"`
			WebACL       string  `json:"web_acl_arn"`
			Logs         string  `json:"access_log_bucket_name"`
		}
		terraform.OutputStructContext(t, t.Context(), o, "frontend_cdn", &out)
		own := outputs(t, o, "domain_name")["domain_name"]
		require.Equal(t, "https://notebooks."+own, out.URL)
		require.Nil(t, out.VPCOrigin)
		got, err := cloudfront.NewFromConfig(cfg).GetDistribution(t.Context(), &cloudfront.GetDistributionInput{Id: &out.Distribution})
		require.NoError(t, err)
		edge := got.Distribution.DistributionConfig
		require.ElementsMatch(t, []string{"notebooks." + own, "nb." + own}, edge.Aliases.Items)
		require.Equal(t, cftypes.MinimumProtocolVersionTLSv122021, edge.ViewerCertificate.MinimumProtocolVersion)
		require.Equal(t, out.WebACL, *edge.WebACLId)
		for _, origin := range edge.Origins.Items {
			if *origin.Id != "api" {
				require.Zero(t, *origin.CustomHeaders.Quantity)
				continue
			}
			require.Equal(t, cftypes.OriginProtocolPolicyHttpsOnly, origin.CustomOriginConfig.OriginProtocolPolicy)
			require.EqualValues(t, 8443, *origin.CustomOriginConfig.HTTPSPort)
			require.EqualValues(t, 45, *origin.CustomOriginConfig.OriginReadTimeout)
			require.Len(t, origin.CustomHeaders.Items, 1)
			require.Equal(t, "X-Example-Secret", *origin.CustomHeaders.Items[0].HeaderName)
		}

		// What CloudFront uses is in us-east-1, whatever the region.
		east := cfg.Copy()
		east.Region = "us-east-1"
		certificate, err := acm.NewFromConfig(east).DescribeCertificate(t.Context(), &acm.DescribeCertificateInput{CertificateArn: edge.ViewerCertificate.ACMCertificateArn})
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"notebooks." + own, "nb." + own}, certificate.Certificate.SubjectAlternativeNames)

		records, err := route53.NewFromConfig(cfg).ListResourceRecordSets(t.Context(), &route53.ListResourceRecordSetsInput{
			HostedZoneId: aws.String(outputs(t, o, "zone_id")["zone_id"]),
		})
		require.NoError(t, err)
		var led []string
		for _, record := range records.ResourceRecordSets {
			if record.AliasTarget != nil {
				require.Contains(t, *record.AliasTarget.DNSName, *got.Distribution.DomainName)
				led = append(led, *record.Name+" "+string(record.Type))
			}
		}
		require.ElementsMatch(t, []string{"notebooks." + own + ". A", "notebooks." + own + ". AAAA", "nb." + own + ". A", "nb." + own + ". AAAA"}, led)

		firewalls := wafv2.NewFromConfig(east)
		listed, err := firewalls.ListWebACLs(t.Context(), &wafv2.ListWebACLsInput{Scope: waftypes.ScopeCloudfront})
		require.NoError(t, err)
		firewall, err := firewalls.GetWebACL(t.Context(), &wafv2.GetWebACLInput{Id: listed.WebACLs[0].Id, Name: listed.WebACLs[0].Name, Scope: waftypes.ScopeCloudfront})
		require.NoError(t, err)
		require.Len(t, firewall.WebACL.Rules, 4)
		for _, rule := range firewall.WebACL.Rules {
			if rule.Statement.RateBasedStatement != nil {
				require.EqualValues(t, 2000, *rule.Statement.RateBasedStatement.Limit)
				continue
			}
			for _, override := range rule.Statement.ManagedRuleGroupStatement.RuleActionOverrides {
				require.NotNil(t, override.ActionToUse.Count, "a program in a body is counted")
			}
		}
		watched, err := firewalls.GetLoggingConfiguration(t.Context(), &wafv2.GetLoggingConfigurationInput{ResourceArn: &out.WebACL})
		require.NoError(t, err)
		require.Contains(t, watched.LoggingConfiguration.LogDestinationConfigs[0], "aws-waf-logs-"+named("cdn-example"))

		deliveries, err := cloudwatchlogs.NewFromConfig(east).DescribeDeliveries(t.Context(), &cloudwatchlogs.DescribeDeliveriesInput{})
		require.NoError(t, err)
		require.Len(t, deliveries.Deliveries, 1)
		require.NotContains(t, deliveries.Deliveries[0].RecordFields, "cs(Cookie)")

		files := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		requireClosed(t, files, out.Bucket)
		requireClosed(t, files, out.Logs)
		encryption, err := files.GetBucketEncryption(t.Context(), &s3.GetBucketEncryptionInput{Bucket: &out.Bucket})
		require.NoError(t, err)
		require.Equal(t, s3types.ServerSideEncryptionAwsKms, encryption.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm)
	})
}

func TestDataExample(t *testing.T) {
	t.Parallel()
	applied(t, "modules/data/examples/complete", nil, func(o *terraform.Options, cfg aws.Config) {
		var out struct {
			Bucket   string `json:"bucket_name"`
			ARN      string `json:"bucket_arn"`
			StoreURL string `json:"store_url"`
			Policy   string `json:"store_policy_json"`
		}
		terraform.OutputStructContext(t, t.Context(), o, "data", &out)
		require.Equal(t, named("data-example")+"-notebooks-"+account, out.Bucket)
		require.Equal(t, "s3://"+out.Bucket+"/team/notebooks", out.StoreURL)
		key := outputs(t, o, "kms_key_arn")["kms_key_arn"]

		files := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		requireClosed(t, files, out.Bucket)
		encryption, err := files.GetBucketEncryption(t.Context(), &s3.GetBucketEncryptionInput{Bucket: &out.Bucket})
		require.NoError(t, err)
		rule := encryption.ServerSideEncryptionConfiguration.Rules[0]
		require.Equal(t, s3types.ServerSideEncryptionAwsKms, rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm)
		require.Equal(t, key, *rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID)
		ownership, err := files.GetBucketOwnershipControls(t.Context(), &s3.GetBucketOwnershipControlsInput{Bucket: &out.Bucket})
		require.NoError(t, err)
		require.Equal(t, s3types.ObjectOwnershipBucketOwnerEnforced, ownership.OwnershipControls.Rules[0].ObjectOwnership)
		lifecycle, err := files.GetBucketLifecycleConfiguration(t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: &out.Bucket})
		require.NoError(t, err)
		require.Len(t, lifecycle.Rules, 1)
		require.EqualValues(t, 14, *lifecycle.Rules[0].NoncurrentVersionExpiration.NoncurrentDays)
		require.EqualValues(t, 1, *lifecycle.Rules[0].AbortIncompleteMultipartUpload.DaysAfterInitiation)
		require.Zero(t, aws.ToInt32(lifecycle.Rules[0].Expiration.Days), "a notebook that is there stays, however old it is")

		// What the role got is what the store does, and no more.
		require.JSONEq(t, `{"Version": "2012-10-17", "Statement": [
			{"Sid": "KeepNotebooks", "Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"], "Resource": "`+out.ARN+`/team/notebooks/*"},
			{"Sid": "ListNotebooks", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "`+out.ARN+`",
				"Condition": {"StringEqualsIfExists": {"s3:prefix": "team/notebooks/"}}},
			{"Sid": "UseTheBucketsKey", "Effect": "Allow", "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": "`+key+`",
				"Condition": {"StringEquals": {"kms:EncryptionContext:aws:s3:arn": "`+out.ARN+`"}}}
		]}`, rolePolicy(t, iam.NewFromConfig(cfg), named("data-example")+"-service", "notebooks"))

		// Notebooks, their old versions and what was deleted don't hinder the destroy.
		keepNotebooks(t, files, out.Bucket, "team/notebooks/")

		requireCache(t, o, cfg)
		requireDatabase(t, o, cfg)
	})
}

// requireClosed looks at what every bucket of the project must be: private,
// versioned, and deaf to what comes in the clear.
func requireClosed(t *testing.T, files *s3.Client, bucket string) {
	t.Helper()
	access, err := files.GetPublicAccessBlock(t.Context(), &s3.GetPublicAccessBlockInput{Bucket: &bucket})
	require.NoError(t, err)
	closed := access.PublicAccessBlockConfiguration
	require.True(t, *closed.BlockPublicAcls && *closed.BlockPublicPolicy && *closed.IgnorePublicAcls && *closed.RestrictPublicBuckets)
	versioning, err := files.GetBucketVersioning(t.Context(), &s3.GetBucketVersioningInput{Bucket: &bucket})
	require.NoError(t, err)
	require.Equal(t, s3types.BucketVersioningStatusEnabled, versioning.Status)
	policy, err := files.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: &bucket})
	require.NoError(t, err)
	require.Contains(t, *policy.Policy, "aws:SecureTransport")
}

// keepNotebooks leaves one object with an old version and one that was deleted.
func keepNotebooks(t *testing.T, files *s3.Client, bucket, prefix string) {
	t.Helper()
	for _, name := range []string{"kept.json", "kept.json", "deleted.json"} {
		_, err := files.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String(prefix + name), Body: strings.NewReader("{}")})
		require.NoError(t, err)
	}
	_, err := files.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String(prefix + "deleted.json")})
	require.NoError(t, err)
}

// The smallest form, and what becomes of it when it is changed.
func TestECSMinimalExample(t *testing.T) {
	t.Parallel()
	applied(t, "modules/ecs/examples/minimal", nil, func(o *terraform.Options, cfg aws.Config) {
		out := ecsOutputs(t, o)
		api := ecs.NewFromConfig(cfg)
		service := describeService(t, api, out.Cluster, out.Service)
		require.EqualValues(t, 1, service.DesiredCount)
		require.Equal(t, out.TargetGroup, *service.LoadBalancers[0].TargetGroupArn)
		container := describeTaskDefinition(t, api, *service.TaskDefinition).ContainerDefinitions[0]
		require.True(t, *container.ReadonlyRootFilesystem)
		require.Empty(t, container.Secrets)

		found, err := elb.NewFromConfig(cfg).DescribeLoadBalancers(t.Context(), &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{out.Balancer}})
		require.NoError(t, err)
		require.Equal(t, elbtypes.LoadBalancerSchemeEnumInternal, found.LoadBalancers[0].Scheme)
		// Ways in: CloudFront to the load balancer, the load balancer to the tasks.
		ways := ingress(t, ec2.NewFromConfig(cfg), out.BalancerSG, out.TaskSG)
		require.Len(t, ways[out.BalancerSG], 1)
		require.NotEmpty(t, aws.ToString(ways[out.BalancerSG][0].PrefixListId))
		require.EqualValues(t, 80, *ways[out.BalancerSG][0].FromPort)
		require.Len(t, ways[out.TaskSG], 1)
		require.Equal(t, out.BalancerSG, *ways[out.TaskSG][0].ReferencedGroupInfo.GroupId)

		// Another image on larger tasks is another revision on the same service, and
		// touches nothing else but what the image is pulled by.
		o.Vars["image"], o.Vars["task_size"] = nextImage, map[string]any{"cpu": 1024, "memory": 2048}
		changed := plannedChanges(t, o)
		if !onAWS() { // where both images may be of one registry
			require.Equal(t, "update", changed["module.ecs.aws_iam_role_policy.execution"])
		}
		delete(changed, "module.ecs.aws_iam_role_policy.execution")
		require.Equal(t, map[string]string{
			"module.ecs.aws_ecs_task_definition.this": "delete+create",
			"module.ecs.aws_ecs_service.this[0]":      "update",
		}, changed)
		terraform.ApplyContext(t, t.Context(), o)
		deployed := describeService(t, api, out.Cluster, out.Service)
		require.Equal(t, service.ServiceArn, deployed.ServiceArn)
		require.NotEqual(t, *service.TaskDefinition, *deployed.TaskDefinition)
		require.Equal(t, "1024", *describeTaskDefinition(t, api, *deployed.TaskDefinition).Cpu)
		require.Equal(t, strings.Contains(nextImage, ".dkr.ecr."), strings.Contains(rolePolicy(t, iam.NewFromConfig(cfg), named("ecs-minimal")+"-execution", "start-tasks"), "ecr:"))

		// One that ECS rolls back is a failed apply, whether the apply waited for it or
		// not, and the next good one heals it.
		rollsBack(t, o, api, true, false)

		// The service becomes one whose tasks follow the load, without being another:
		// by the block that README.md gives.
		extra := filepath.Join(o.TerraformDir, "autoscaling_override.tf")
		require.NoError(t, os.WriteFile(extra, []byte(`
			module "ecs" {
			  autoscaling = { min = 1, max = 4, cpu_percent = 60 }
			}`), 0o644))
		moved := filepath.Join(o.TerraformDir, "moved.tf")
		require.NoError(t, os.WriteFile(moved, []byte(`
			moved {
			  from = module.ecs.aws_ecs_service.this[0]
			  to   = module.ecs.aws_ecs_service.autoscaled[0]
			}`), 0o644))
		require.Equal(t, map[string]string{
			"module.ecs.aws_appautoscaling_target.this[0]":       "create",
			"module.ecs.aws_appautoscaling_policy.this[\"cpu\"]": "create",
		}, plannedChanges(t, o))
		require.NoError(t, os.Remove(extra))
		require.NoError(t, os.Remove(moved))
	})
}

// The fullest form.
func TestECSExample(t *testing.T) {
	t.Parallel()
	applied(t, "modules/ecs/examples/complete", nil, func(o *terraform.Options, cfg aws.Config) {
		out := ecsOutputs(t, o)
		api := ecs.NewFromConfig(cfg)
		service := describeService(t, api, out.Cluster, out.Service)
		require.EqualValues(t, 2, service.DesiredCount)
		deployment := service.DeploymentConfiguration
		require.EqualValues(t, 100, *deployment.MinimumHealthyPercent)
		require.EqualValues(t, 200, *deployment.MaximumPercent)
		require.True(t, deployment.DeploymentCircuitBreaker.Rollback)
		require.True(t, deployment.Alarms.Enable && deployment.Alarms.Rollback)
		require.Equal(t, ecstypes.AvailabilityZoneRebalancingEnabled, service.AvailabilityZoneRebalancing)
		require.True(t, service.EnableExecuteCommand)
		capacity := map[string]int32{}
		for _, strategy := range service.CapacityProviderStrategy {
			capacity[*strategy.CapacityProvider] = strategy.Weight
		}
		require.Equal(t, map[string]int32{"FARGATE": 1, "FARGATE_SPOT": 3}, capacity)

		task := describeTaskDefinition(t, api, *service.TaskDefinition)
		require.Equal(t, ecstypes.CPUArchitectureX8664, task.RuntimePlatform.CpuArchitecture)
		container := task.ContainerDefinitions[0]
		require.Equal(t, image[len(image)-64:], (*container.Image)[len(*container.Image)-64:])
		require.False(t, *container.ReadonlyRootFilesystem, "ECS Exec needs to write")
		require.EqualValues(t, 60, *container.StopTimeout)
		require.Equal(t, out.LogGroup, container.LogConfiguration.Options["awslogs-group"])
		logs, err := cloudwatchlogs.NewFromConfig(cfg).DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{})
		require.NoError(t, err)
		require.Len(t, logs.LogGroups, 2, "the tasks' and the shells'")
		for _, group := range logs.LogGroups {
			require.NotEmpty(t, aws.ToString(group.KmsKeyId), *group.LogGroupName)
		}

		// The load balancer is public and speaks HTTPS to those who know the secret.
		balancers := elb.NewFromConfig(cfg)
		found, err := balancers.DescribeLoadBalancers(t.Context(), &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{out.Balancer}})
		require.NoError(t, err)
		// The emulator leaves out what is AWS's default, internet-facing.
		require.NotEqual(t, elbtypes.LoadBalancerSchemeEnumInternal, found.LoadBalancers[0].Scheme)
		attributes, err := balancers.DescribeLoadBalancerAttributes(t.Context(), &elb.DescribeLoadBalancerAttributesInput{LoadBalancerArn: &out.Balancer})
		require.NoError(t, err)
		require.Equal(t, "600", balancerAttribute(attributes.Attributes, "idle_timeout.timeout_seconds"))
		require.Equal(t, "true", balancerAttribute(attributes.Attributes, "routing.http.drop_invalid_header_fields.enabled"))
		require.Equal(t, out.Logs, balancerAttribute(attributes.Attributes, "access_logs.s3.bucket"))
		requireClosed(t, s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }), out.Logs)
		listeners, err := balancers.DescribeListeners(t.Context(), &elb.DescribeListenersInput{LoadBalancerArn: &out.Balancer})
		require.NoError(t, err)
		require.Len(t, listeners.Listeners, 1)
		listener := listeners.Listeners[0]
		require.EqualValues(t, 443, *listener.Port)
		require.Equal(t, elbtypes.ProtocolEnumHttps, listener.Protocol)
		require.Equal(t, "403", *listener.DefaultActions[0].FixedResponseConfig.StatusCode)
		rules, err := balancers.DescribeRules(t.Context(), &elb.DescribeRulesInput{ListenerArn: listener.ListenerArn})
		require.NoError(t, err)
		require.Len(t, rules.Rules, 2)
		for _, rule := range rules.Rules {
			if *rule.Priority == "default" {
				continue
			}
			require.Len(t, rule.Conditions, 1)
			require.Equal(t, "X-Origin-Verify", *rule.Conditions[0].HttpHeaderConfig.HttpHeaderName)
			require.Len(t, rule.Conditions[0].HttpHeaderConfig.Values[0], 34)
			require.Equal(t, out.TargetGroup, *rule.Actions[0].TargetGroupArn)
		}
		certificate, err := acm.NewFromConfig(cfg).DescribeCertificate(t.Context(), &acm.DescribeCertificateInput{CertificateArn: listener.Certificates[0].CertificateArn})
		require.NoError(t, err)
		require.Equal(t, "origin."+outputs(t, o, "domain_name")["domain_name"], *certificate.Certificate.DomainName)

		// Ways in: CloudFront to the load balancer on one port, the load balancer to the tasks.
		ways := ingress(t, ec2.NewFromConfig(cfg), out.BalancerSG, out.TaskSG)
		require.Len(t, ways[out.BalancerSG], 1)
		require.NotEmpty(t, aws.ToString(ways[out.BalancerSG][0].PrefixListId))
		require.EqualValues(t, 443, *ways[out.BalancerSG][0].FromPort)
		require.EqualValues(t, 443, *ways[out.BalancerSG][0].ToPort)
		require.Len(t, ways[out.TaskSG], 1)
		require.Equal(t, out.BalancerSG, *ways[out.TaskSG][0].ReferencedGroupInfo.GroupId)

		// The execution role reads the one secret and pulls from the one repository.
		roles := iam.NewFromConfig(cfg)
		document := rolePolicy(t, roles, named("ecs-example")+"-execution", "start-tasks")
		require.Contains(t, document, *container.Secrets[0].ValueFrom)
		_, repository, _ := strings.Cut(*container.Image, "/")
		repository, _, _ = strings.Cut(repository, "@")
		require.Contains(t, document, `"arn:aws:ecr:`+region+":"+account+":repository/"+repository+`"`)
		require.Contains(t, document, "kms:ViaService")
		require.NotContains(t, document, "secret:*")
		// The service itself may do what it was given.
		require.Contains(t, rolePolicy(t, roles, named("ecs-example")+"-task", "token"), *container.Secrets[0].ValueFrom)

		// The number of tasks follows load and clock.
		scaling := applicationautoscaling.NewFromConfig(cfg)
		targets, err := scaling.DescribeScalableTargets(t.Context(), &applicationautoscaling.DescribeScalableTargetsInput{ServiceNamespace: scalingtypes.ServiceNamespaceEcs})
		require.NoError(t, err)
		require.Len(t, targets.ScalableTargets, 1)
		target := targets.ScalableTargets[0]
		require.Equal(t, []int32{0, 6}, []int32{*target.MinCapacity, *target.MaxCapacity})
		policies, err := scaling.DescribeScalingPolicies(t.Context(), &applicationautoscaling.DescribeScalingPoliciesInput{ServiceNamespace: scalingtypes.ServiceNamespaceEcs})
		require.NoError(t, err)
		aims := map[scalingtypes.MetricType]float64{}
		for _, policy := range policies.ScalingPolicies {
			tracking := policy.TargetTrackingScalingPolicyConfiguration
			aims[tracking.PredefinedMetricSpecification.PredefinedMetricType] = *tracking.TargetValue
		}
		require.Equal(t, map[scalingtypes.MetricType]float64{
			scalingtypes.MetricTypeECSServiceAverageCPUUtilization: 60, scalingtypes.MetricTypeECSServiceAverageMemoryUtilization: 75,
			scalingtypes.MetricTypeALBRequestCountPerTarget: 600,
		}, aims)
		actions, err := scaling.DescribeScheduledActions(t.Context(), &applicationautoscaling.DescribeScheduledActionsInput{ServiceNamespace: scalingtypes.ServiceNamespaceEcs})
		require.NoError(t, err)
		most := map[string]int32{}
		for _, action := range actions.ScheduledActions {
			require.Equal(t, "Europe/London", *action.Timezone)
			most[*action.ScheduledActionName] = *action.ScalableTargetAction.MaxCapacity
		}
		require.Equal(t, map[string]int32{named("ecs-example") + "-evening": 0, named("ecs-example") + "-morning": 6}, most)
		alarms, err := cloudwatch.NewFromConfig(cfg).DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNames: deployment.Alarms.AlarmNames})
		require.NoError(t, err)
		require.Len(t, alarms.MetricAlarms, 1)
		require.Equal(t, "HTTPCode_Target_5XX_Count", *alarms.MetricAlarms[0].MetricName)

		// At night the clock has its way: a plan changes nothing, and does not wake the
		// service.
		_, err = scaling.RegisterScalableTarget(t.Context(), &applicationautoscaling.RegisterScalableTargetInput{
			ResourceId: target.ResourceId, ScalableDimension: target.ScalableDimension, ServiceNamespace: target.ServiceNamespace,
			MinCapacity: aws.Int32(0), MaxCapacity: aws.Int32(0),
		})
		require.NoError(t, err)
		_, err = api.UpdateService(t.Context(), &ecs.UpdateServiceInput{Cluster: &out.Cluster, Service: &out.Service, DesiredCount: aws.Int32(0)})
		require.NoError(t, err)
		require.Empty(t, plannedChanges(t, o))

		rollsBack(t, o, api, true)
	})
}

// Deployments by CodeDeploy: Terraform registers, CodeDeploy deploys.
func TestECSBlueGreenExample(t *testing.T) {
	t.Parallel()
	applied(t, "modules/ecs/examples/blue-green", nil, func(o *terraform.Options, cfg aws.Config) {
		out := ecsOutputs(t, o)
		api := ecs.NewFromConfig(cfg)
		deploys := codedeploy.NewFromConfig(cfg)
		first := describeService(t, api, out.Cluster, out.Service)
		require.Equal(t, ecstypes.DeploymentControllerTypeCodeDeploy, first.DeploymentController.Type)
		group, err := deploys.GetDeploymentGroup(t.Context(), &codedeploy.GetDeploymentGroupInput{
			ApplicationName: &out.CodeDeploy.Application, DeploymentGroupName: &out.CodeDeploy.Group,
		})
		require.NoError(t, err)
		require.Equal(t, "CodeDeployDefault.ECSCanary10Percent5Minutes", *group.DeploymentGroupInfo.DeploymentConfigName)
		require.True(t, group.DeploymentGroupInfo.AutoRollbackConfiguration.Enabled)
		require.EqualValues(t, 30, group.DeploymentGroupInfo.BlueGreenDeploymentConfiguration.TerminateBlueInstancesOnDeploymentSuccess.TerminationWaitTimeInMinutes)

		// An apply with another image changes no task; it says that a deployment is due.
		o.Vars["image"] = nextImage
		o.WarningsAsErrors = nil
		said := terraform.ApplyContext(t, t.Context(), o)
		require.Contains(t, said, "Check block assertion failed")
		require.Equal(t, *first.TaskDefinition, *describeService(t, api, out.Cluster, out.Service).TaskDefinition)
		o.WarningsAsErrors = noWarnings

		// The output deploys it, on the other target group, and Terraform agrees.
		out = ecsOutputs(t, o)
		_, err = deploys.CreateDeployment(t.Context(), &codedeploy.CreateDeploymentInput{
			ApplicationName: &out.CodeDeploy.Application, DeploymentGroupName: &out.CodeDeploy.Group,
			Revision: &codedeploytypes.RevisionLocation{
				RevisionType: codedeploytypes.RevisionLocationTypeAppSpecContent, AppSpecContent: &codedeploytypes.AppSpecContent{Content: &out.CodeDeploy.AppSpec},
			},
		})
		require.NoError(t, err)
		second := describeService(t, api, out.Cluster, out.Service)
		require.NotEqual(t, *first.TaskDefinition, *second.TaskDefinition)
		require.NotEqual(t, *first.LoadBalancers[0].TargetGroupArn, *second.LoadBalancers[0].TargetGroupArn)
		listeners, err := elb.NewFromConfig(cfg).DescribeListeners(t.Context(), &elb.DescribeListenersInput{LoadBalancerArn: &out.Balancer})
		require.NoError(t, err)
		require.Equal(t, *second.LoadBalancers[0].TargetGroupArn, *listeners.Listeners[0].DefaultActions[0].TargetGroupArn)
		require.Empty(t, plannedChanges(t, o))
		terraform.ApplyContext(t, t.Context(), o)
	})
}

type ecsExample struct {
	Cluster     string `json:"cluster_name"`
	Service     string `json:"service_name"`
	Balancer    string `json:"load_balancer_arn"`
	BalancerSG  string `json:"load_balancer_security_group_id"`
	TaskSG      string `json:"task_security_group_id"`
	TargetGroup string `json:"target_group_arn"`
	LogGroup    string `json:"log_group_name"`
	Logs        string `json:"access_log_bucket_name"`
	CodeDeploy  struct {
		Application string `json:"application"`
		Group       string `json:"deployment_group"`
		AppSpec     string `json:"appspec"`
	} `json:"codedeploy"`
}

func ecsOutputs(t *testing.T, o *terraform.Options) ecsExample {
	t.Helper()
	var out ecsExample
	terraform.OutputStructContext(t, t.Context(), o, "ecs", &out)
	return out
}

// rollsBack deploys an image that never becomes healthy: that must be a failed apply,
// with each choice of whether the apply waits, and the service must run what it ran
// before.
func rollsBack(t *testing.T, o *terraform.Options, api *ecs.Client, waits ...bool) {
	t.Helper()
	out := ecsOutputs(t, o)
	running := *describeService(t, api, out.Cluster, out.Service).TaskDefinition
	healthy := o.Vars
	for _, wait := range waits {
		o.Vars = maps.Clone(healthy)
		o.Vars["image"] = "registry.example.com/notebook@sha256:" + strings.Repeat("0", 64)
		o.Vars["wait_for_steady_state"] = wait
		said, err := terraform.ApplyContextE(t, t.Context(), o)
		require.Error(t, err)
		require.Contains(t, said+err.Error(), "Resource postcondition failed")
		require.Equal(t, running, *describeService(t, api, out.Cluster, out.Service).TaskDefinition)
	}
	o.Vars = healthy
	terraform.ApplyContext(t, t.Context(), o)
	require.NotEqual(t, running, *describeService(t, api, out.Cluster, out.Service).TaskDefinition)
}

// plannedChanges is what a plan would do to resources.
func plannedChanges(t *testing.T, o *terraform.Options) map[string]string {
	t.Helper()
	changes := plan(t, o).changes()
	maps.DeleteFunc(changes, func(address, _ string) bool { return strings.HasPrefix(address, "output.") })
	return changes
}

func TestLogBucketExample(t *testing.T) {
	t.Parallel()
	applied(t, "modules/log-bucket/examples/complete", nil, func(o *terraform.Options, cfg aws.Config) {
		var out struct {
			Bucket string `json:"bucket_name"`
		}
		terraform.OutputStructContext(t, t.Context(), o, "log_bucket", &out)
		files := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		requireClosed(t, files, out.Bucket)
		policy, err := files.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: &out.Bucket})
		require.NoError(t, err)
		require.Contains(t, *policy.Policy, out.Bucket+"/AWSLogs/"+account+"/*")
		require.NotContains(t, *policy.Policy, "s3:GetObject")
		lifecycle, err := files.GetBucketLifecycleConfiguration(t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: &out.Bucket})
		require.NoError(t, err)
		require.EqualValues(t, 14, *lifecycle.Rules[0].Expiration.Days)
	})
}

func describeService(t *testing.T, api *ecs.Client, cluster, name string) ecstypes.Service {
	t.Helper()
	found, err := api.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: &cluster, Services: []string{name}})
	require.NoError(t, err)
	require.Len(t, found.Services, 1)
	return found.Services[0]
}

func describeTaskDefinition(t *testing.T, api *ecs.Client, arn string) *ecstypes.TaskDefinition {
	t.Helper()
	found, err := api.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: &arn})
	require.NoError(t, err)
	return found.TaskDefinition
}

func balancerAttribute(attributes []elbtypes.LoadBalancerAttribute, key string) string {
	for _, attribute := range attributes {
		if aws.ToString(attribute.Key) == key {
			return aws.ToString(attribute.Value)
		}
	}
	return ""
}

// ingress is what may come in, by security group.
func ingress(t *testing.T, api *ec2.Client, groups ...string) map[string][]ec2types.SecurityGroupRule {
	t.Helper()
	rules, err := api.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{
		Filters: []ec2types.Filter{{Name: aws.String("group-id"), Values: groups}},
	})
	require.NoError(t, err)
	ways := map[string][]ec2types.SecurityGroupRule{}
	for _, rule := range rules.SecurityGroupRules {
		if !*rule.IsEgress {
			ways[*rule.GroupId] = append(ways[*rule.GroupId], rule)
		}
	}
	return ways
}

func rolePolicy(t *testing.T, api *iam.Client, role, name string) string {
	t.Helper()
	found, err := api.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
	require.NoError(t, err)
	document, err := url.QueryUnescape(*found.PolicyDocument)
	require.NoError(t, err)
	require.True(t, json.Valid([]byte(document)))
	return document
}

func spaFunction() string {
	return filepath.Join(shared.root, "modules", "frontend-cdn", "functions", "spa.js")
}
