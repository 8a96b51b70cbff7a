package emulator_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	cftypes "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/emulator"
)

// python is an interpreter that can import moto: the repository's own, else the
// one on PATH.
func python(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../../..")
	require.NoError(t, err)
	for _, candidate := range []string{filepath.Join(root, ".venv", "bin", "python"), "python3"} {
		if exec.Command(candidate, "-c", "import moto.server").Run() == nil {
			return candidate
		}
	}
	t.Fatal("no Python with moto: neither .venv/bin/python nor python3 can import moto.server; pip install 'moto[server]==5.2.1'")
	return ""
}

func start(t *testing.T) (*emulator.Emulator, aws.Config) {
	t.Helper()
	e, err := emulator.Start(t.Context(), emulator.Options{Python: python(t), Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(e.Stop)
	cfg, err := config.LoadDefaultConfig(t.Context(),
		config.WithRegion("eu-north-1"),
		config.WithBaseEndpoint(e.Endpoint()),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("emulator", "emulator", "")),
		config.WithSharedConfigFiles(nil), config.WithSharedCredentialsFiles(nil))
	require.NoError(t, err)
	return e, cfg
}

func errorCode(t *testing.T, err error) string {
	t.Helper()
	var fault smithy.APIError
	require.ErrorAs(t, err, &fault)
	return fault.ErrorCode()
}

func distribution(functionARN, policy, vpcOrigin string) *cftypes.DistributionConfig {
	return &cftypes.DistributionConfig{
		CallerReference: aws.String(policy),
		Comment:         aws.String("test"),
		Enabled:         aws.Bool(true),
		HttpVersion:     cftypes.HttpVersionHttp2and3,
		Origins: &cftypes.Origins{Quantity: aws.Int32(1), Items: []cftypes.Origin{{
			Id: aws.String("api"), DomainName: aws.String("internal.example.com"),
			VpcOriginConfig: &cftypes.VpcOriginConfig{
				VpcOriginId: aws.String(vpcOrigin), OriginReadTimeout: aws.Int32(60), OriginKeepaliveTimeout: aws.Int32(5),
			},
		}}},
		DefaultCacheBehavior: &cftypes.DefaultCacheBehavior{
			TargetOriginId: aws.String("api"), ViewerProtocolPolicy: cftypes.ViewerProtocolPolicyRedirectToHttps,
			CachePolicyId:           aws.String("658327ea-f89d-4fab-a63d-7e88639e58f6"),
			ResponseHeadersPolicyId: aws.String(policy),
			FunctionAssociations: &cftypes.FunctionAssociations{Quantity: aws.Int32(1), Items: []cftypes.FunctionAssociation{
				{EventType: cftypes.EventTypeViewerRequest, FunctionARN: aws.String(functionARN)},
			}},
		},
	}
}

func TestCloudFrontKeepsWhatADistributionIsMadeOf(t *testing.T) {
	_, cfg := start(t)
	api := cloudfront.NewFromConfig(cfg)
	ctx := t.Context()

	code := []byte("function handler(event) { return event.request; }")
	function, err := api.CreateFunction(ctx, &cloudfront.CreateFunctionInput{
		Name: aws.String("spa"), FunctionCode: code,
		FunctionConfig: &cftypes.FunctionConfig{Comment: aws.String("c"), Runtime: cftypes.FunctionRuntimeCloudfrontJs20},
	})
	require.NoError(t, err)
	arn := *function.FunctionSummary.FunctionMetadata.FunctionARN
	headers, err := api.CreateResponseHeadersPolicy(ctx, &cloudfront.CreateResponseHeadersPolicyInput{
		ResponseHeadersPolicyConfig: &cftypes.ResponseHeadersPolicyConfig{
			Name: aws.String("headers"),
			SecurityHeadersConfig: &cftypes.ResponseHeadersPolicySecurityHeadersConfig{
				ContentSecurityPolicy: &cftypes.ResponseHeadersPolicyContentSecurityPolicy{
					ContentSecurityPolicy: aws.String("default-src 'self'"), Override: aws.Bool(true),
				},
			},
		},
	})
	require.NoError(t, err)
	origin, err := api.CreateVpcOrigin(ctx, &cloudfront.CreateVpcOriginInput{
		VpcOriginEndpointConfig: &cftypes.VpcOriginEndpointConfig{
			Arn: aws.String("arn:aws:elasticloadbalancing:eu-north-1:123456789012:loadbalancer/app/a/b"), Name: aws.String("alb"),
			HTTPPort: aws.Int32(80), HTTPSPort: aws.Int32(443), OriginProtocolPolicy: cftypes.OriginProtocolPolicyHttpOnly,
		},
	})
	require.NoError(t, err)
	want := distribution(arn, *headers.ResponseHeadersPolicy.Id, *origin.VpcOrigin.Id)

	// An unpublished function can't be associated.
	_, err = api.CreateDistribution(ctx, &cloudfront.CreateDistributionInput{DistributionConfig: want})
	require.Equal(t, "InvalidFunctionAssociation", errorCode(t, err))
	_, err = api.PublishFunction(ctx, &cloudfront.PublishFunctionInput{Name: aws.String("spa"), IfMatch: function.ETag})
	require.NoError(t, err)

	made, err := api.CreateDistributionWithTags(ctx, &cloudfront.CreateDistributionWithTagsInput{
		DistributionConfigWithTags: &cftypes.DistributionConfigWithTags{
			DistributionConfig: want,
			Tags:               &cftypes.Tags{Items: []cftypes.Tag{{Key: aws.String("Project"), Value: aws.String("p")}}},
		},
	})
	require.NoError(t, err)
	got, err := api.GetDistribution(ctx, &cloudfront.GetDistributionInput{Id: made.Distribution.Id})
	require.NoError(t, err)
	kept := got.Distribution.DistributionConfig
	require.Equal(t, want.HttpVersion, kept.HttpVersion)
	require.Equal(t, want.Origins.Items[0].VpcOriginConfig, kept.Origins.Items[0].VpcOriginConfig)
	require.Equal(t, want.DefaultCacheBehavior.FunctionAssociations, kept.DefaultCacheBehavior.FunctionAssociations)
	require.Equal(t, want.DefaultCacheBehavior.CachePolicyId, kept.DefaultCacheBehavior.CachePolicyId)
	require.Equal(t, want.DefaultCacheBehavior.ResponseHeadersPolicyId, kept.DefaultCacheBehavior.ResponseHeadersPolicyId)
	// What was left out is there with CloudFront's own value.
	require.Zero(t, *kept.Aliases.Quantity)
	require.False(t, *kept.Logging.Enabled)
	tags, err := api.ListTagsForResource(ctx, &cloudfront.ListTagsForResourceInput{Resource: made.Distribution.ARN})
	require.NoError(t, err)
	require.Equal(t, "p", *tags.Tags.Items[0].Value)
	live, err := api.GetFunction(ctx, &cloudfront.GetFunctionInput{Name: aws.String("spa"), Stage: cftypes.FunctionStageLive})
	require.NoError(t, err)
	require.Equal(t, code, live.FunctionCode)

	// Nothing that is in use can go, and a distribution goes only when disabled.
	_, err = api.DeleteFunction(ctx, &cloudfront.DeleteFunctionInput{Name: aws.String("spa"), IfMatch: function.ETag})
	require.Equal(t, "FunctionInUse", errorCode(t, err))
	_, err = api.DeleteVpcOrigin(ctx, &cloudfront.DeleteVpcOriginInput{Id: origin.VpcOrigin.Id, IfMatch: origin.ETag})
	require.Equal(t, "CannotDeleteEntityWhileInUse", errorCode(t, err))
	_, err = api.DeleteDistribution(ctx, &cloudfront.DeleteDistributionInput{Id: made.Distribution.Id, IfMatch: made.ETag})
	require.Equal(t, "DistributionNotDisabled", errorCode(t, err))

	want.Enabled = aws.Bool(false)
	_, err = api.UpdateDistribution(ctx, &cloudfront.UpdateDistributionInput{
		Id: made.Distribution.Id, IfMatch: aws.String("stale"), DistributionConfig: want,
	})
	require.Equal(t, "PreconditionFailed", errorCode(t, err))
	changed, err := api.UpdateDistribution(ctx, &cloudfront.UpdateDistributionInput{
		Id: made.Distribution.Id, IfMatch: made.ETag, DistributionConfig: want,
	})
	require.NoError(t, err)
	_, err = api.DeleteDistribution(ctx, &cloudfront.DeleteDistributionInput{Id: made.Distribution.Id, IfMatch: changed.ETag})
	require.NoError(t, err)
	_, err = api.DeleteFunction(ctx, &cloudfront.DeleteFunctionInput{Name: aws.String("spa"), IfMatch: function.ETag})
	require.NoError(t, err)
	_, err = api.GetDistribution(ctx, &cloudfront.GetDistributionInput{Id: made.Distribution.Id})
	require.Equal(t, "NoSuchDistribution", errorCode(t, err))
}

func TestCloudFrontRefusesAReferenceToNothing(t *testing.T) {
	_, cfg := start(t)
	api := cloudfront.NewFromConfig(cfg)
	config := distribution("arn:aws:cloudfront::123456789012:function/none", "none", "vo_none")
	_, err := api.CreateDistribution(t.Context(), &cloudfront.CreateDistributionInput{DistributionConfig: config})
	require.Equal(t, "EntityNotFound", errorCode(t, err))
}

func TestServiceKeepsItsFieldsAndSettlesOnEveryTaskDefinition(t *testing.T) {
	_, cfg := start(t)
	api, network := ecs.NewFromConfig(cfg), ec2.NewFromConfig(cfg)
	ctx := t.Context()

	subnets, err := network.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	require.NoError(t, err)
	groups, err := network.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
	require.NoError(t, err)
	_, err = api.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: aws.String("c")})
	require.NoError(t, err)
	register := func(image string) string {
		out, err := api.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
			Family: aws.String("f"), NetworkMode: ecstypes.NetworkModeAwsvpc, Cpu: aws.String("512"), Memory: aws.String("1024"),
			RequiresCompatibilities: []ecstypes.Compatibility{ecstypes.CompatibilityFargate},
			ContainerDefinitions:    []ecstypes.ContainerDefinition{{Name: aws.String("n"), Image: aws.String(image)}},
		})
		require.NoError(t, err)
		return *out.TaskDefinition.TaskDefinitionArn
	}
	describe := func() ecstypes.Service {
		out, err := api.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: aws.String("c"), Services: []string{"s"}})
		require.NoError(t, err)
		require.Len(t, out.Services, 1)
		return out.Services[0]
	}

	first := register("i")
	_, err = api.CreateService(ctx, &ecs.CreateServiceInput{
		Cluster: aws.String("c"), ServiceName: aws.String("s"), TaskDefinition: aws.String(first), DesiredCount: aws.Int32(2),
		CapacityProviderStrategy:      []ecstypes.CapacityProviderStrategyItem{{CapacityProvider: aws.String("FARGATE_SPOT"), Weight: 1, Base: 1}},
		AvailabilityZoneRebalancing:   ecstypes.AvailabilityZoneRebalancingEnabled,
		EnableExecuteCommand:          true,
		HealthCheckGracePeriodSeconds: aws.Int32(60),
		DeploymentConfiguration: &ecstypes.DeploymentConfiguration{
			MinimumHealthyPercent: aws.Int32(100), MaximumPercent: aws.Int32(200),
			DeploymentCircuitBreaker: &ecstypes.DeploymentCircuitBreaker{Enable: true, Rollback: true},
		},
		NetworkConfiguration: &ecstypes.NetworkConfiguration{AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{
			Subnets: []string{*subnets.Subnets[0].SubnetId}, SecurityGroups: []string{*groups.SecurityGroups[0].GroupId},
			AssignPublicIp: ecstypes.AssignPublicIpEnabled,
		}},
	})
	require.NoError(t, err)

	service := describe()
	require.Equal(t, "FARGATE_SPOT", *service.CapacityProviderStrategy[0].CapacityProvider)
	require.EqualValues(t, 1, service.CapacityProviderStrategy[0].Base)
	require.Equal(t, ecstypes.AvailabilityZoneRebalancingEnabled, service.AvailabilityZoneRebalancing)
	require.True(t, service.EnableExecuteCommand)
	require.EqualValues(t, 60, *service.HealthCheckGracePeriodSeconds)
	require.True(t, service.DeploymentConfiguration.DeploymentCircuitBreaker.Rollback)
	require.Empty(t, service.LaunchType)
	require.EqualValues(t, 2, service.RunningCount)
	require.EqualValues(t, 2, service.Deployments[0].RunningCount)

	second := register("i")
	_, err = api.UpdateService(ctx, &ecs.UpdateServiceInput{
		Cluster: aws.String("c"), Service: aws.String("s"), TaskDefinition: aws.String(second), DesiredCount: aws.Int32(3),
	})
	require.NoError(t, err)
	service = describe()
	require.Equal(t, second, *service.TaskDefinition)
	require.EqualValues(t, 3, service.RunningCount)
	require.Len(t, service.Deployments, 1)
	require.Equal(t, second, *service.Deployments[0].TaskDefinition)
	require.True(t, service.EnableExecuteCommand, "an update leaves what it doesn't name")

	deployments, err := api.ListServiceDeployments(ctx, &ecs.ListServiceDeploymentsInput{
		Cluster: aws.String("c"), Service: service.ServiceArn,
	})
	require.NoError(t, err)
	require.Len(t, deployments.ServiceDeployments, 2)
	require.Equal(t, ecstypes.ServiceDeploymentStatusSuccessful, deployments.ServiceDeployments[0].Status)

	_, err = api.UpdateService(ctx, &ecs.UpdateServiceInput{
		Cluster: aws.String("c"), Service: aws.String("s"), TaskDefinition: aws.String(register("i@sha256:" + strings.Repeat("0", 64))),
	})
	require.NoError(t, err)
	require.Equal(t, second, *describe().TaskDefinition, "rolled back")
	deployments, err = api.ListServiceDeployments(ctx, &ecs.ListServiceDeploymentsInput{
		Cluster: aws.String("c"), Service: service.ServiceArn,
	})
	require.NoError(t, err)
	require.Equal(t, ecstypes.ServiceDeploymentStatusRollbackSuccessful, deployments.ServiceDeployments[0].Status)
}

func TestSecurityGroupRulesKeepTheirDescriptions(t *testing.T) {
	_, cfg := start(t)
	api := ec2.NewFromConfig(cfg)
	ctx := t.Context()
	groups, err := api.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
	require.NoError(t, err)
	group := groups.SecurityGroups[0].GroupId
	lists, err := api.DescribeManagedPrefixLists(ctx, &ec2.DescribeManagedPrefixListsInput{Filters: []ec2types.Filter{
		{Name: aws.String("prefix-list-name"), Values: []string{"com.amazonaws.global.cloudfront.origin-facing"}},
	}})
	require.NoError(t, err)
	require.Len(t, lists.PrefixLists, 1)

	permission := ec2types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(80), ToPort: aws.Int32(80)}
	byGroup, byList := permission, permission
	byGroup.UserIdGroupPairs = []ec2types.UserIdGroupPair{{GroupId: group, Description: aws.String("by group")}}
	byList.PrefixListIds = []ec2types.PrefixListId{{PrefixListId: lists.PrefixLists[0].PrefixListId, Description: aws.String("by list")}}
	for _, p := range []ec2types.IpPermission{byGroup, byList} {
		_, err := api.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: []ec2types.IpPermission{p}})
		require.NoError(t, err)
	}
	rules, err := api.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{
		Filters: []ec2types.Filter{{Name: aws.String("group-id"), Values: []string{*group}}},
	})
	require.NoError(t, err)
	descriptions := map[string]bool{}
	for _, rule := range rules.SecurityGroupRules {
		descriptions[aws.ToString(rule.Description)] = true
	}
	require.Contains(t, descriptions, "by group")
	require.Contains(t, descriptions, "by list")
}

func TestABucketWithDeleteMarkersCanBeEmptied(t *testing.T) {
	_, cfg := start(t)
	api := s3.NewFromConfig(cfg)
	ctx := t.Context()
	bucket := aws.String("frontend")
	_, err := api.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
		LocationConstraint: s3types.BucketLocationConstraintEuNorth1,
	}})
	require.NoError(t, err)
	_, err = api.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &s3types.VersioningConfiguration{
		Status: s3types.BucketVersioningStatusEnabled,
	}})
	require.NoError(t, err)
	// moto alone would take this for a denial of everything.
	_, err = api.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(`{"Version":"2012-10-17","Statement":[{
		"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::frontend","arn:aws:s3:::frontend/*"],
		"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`)})
	require.NoError(t, err)
	_, err = api.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("k"), Body: strings.NewReader("v")})
	require.NoError(t, err)
	_, err = api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("k")})
	require.NoError(t, err)

	versions, err := api.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: bucket})
	require.NoError(t, err)
	require.Len(t, versions.Versions, 1)
	require.Len(t, versions.DeleteMarkers, 1)
	// As Terraform empties a bucket: versioning goes first.
	_, err = api.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &s3types.VersioningConfiguration{
		Status: s3types.BucketVersioningStatusSuspended,
	}})
	require.NoError(t, err)
	_, err = api.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &s3types.Delete{Objects: []s3types.ObjectIdentifier{
		{Key: aws.String("k"), VersionId: versions.Versions[0].VersionId},
		{Key: aws.String("k"), VersionId: versions.DeleteMarkers[0].VersionId},
	}}})
	require.NoError(t, err)
	versions, err = api.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: bucket})
	require.NoError(t, err)
	require.Empty(t, versions.Versions)
	require.Empty(t, versions.DeleteMarkers)
	_, err = api.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
	require.NoError(t, err)
}

func TestASecretIsWrittenAndReadBack(t *testing.T) {
	_, cfg := start(t)
	api := secretsmanager.NewFromConfig(cfg)
	ctx := t.Context()
	password, err := api.GetRandomPassword(ctx, &secretsmanager.GetRandomPasswordInput{
		PasswordLength: aws.Int64(48), ExcludePunctuation: aws.Bool(true),
	})
	require.NoError(t, err)
	require.Len(t, *password.RandomPassword, 48)
	_, err = api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("token"), SecretString: password.RandomPassword})
	require.NoError(t, err)
	got, err := api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("token")})
	require.NoError(t, err)
	require.Equal(t, *password.RandomPassword, *got.SecretString)
}

// A client that met a 5xx here would try again, and wait for minutes.
func TestWhatIsNotImplementedIsRefusedOnce(t *testing.T) {
	_, cfg := start(t)
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"xml": func() error {
			_, err := cloudfront.NewFromConfig(cfg).ListStreamingDistributions(ctx, &cloudfront.ListStreamingDistributionsInput{})
			return err
		},
		"ec2": func() error {
			_, err := ec2.NewFromConfig(cfg).DescribeFastLaunchImages(ctx, &ec2.DescribeFastLaunchImagesInput{})
			return err
		},
		"json": func() error {
			_, err := ecs.NewFromConfig(cfg).DescribeServiceRevisions(ctx, &ecs.DescribeServiceRevisionsInput{ServiceRevisionArns: []string{"arn"}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := call()
			require.Equal(t, "EmulatorNotImplemented", errorCode(t, err))
			var answer interface{ HTTPStatusCode() int }
			require.ErrorAs(t, err, &answer)
			require.Equal(t, http.StatusBadRequest, answer.HTTPStatusCode())
		})
	}
}

// loseFirst loses the first answer to each call, as a network may.
type loseFirst struct{ lost map[string]bool }

func (l *loseFirst) Do(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if id := r.Header.Get("Amz-Sdk-Invocation-Id"); err == nil && !l.lost[id] {
		l.lost[id] = true
		_ = res.Body.Close()
		return nil, &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	}
	return res, err
}

func TestWhoAsksAgainForALostAnswerGetsIt(t *testing.T) {
	_, cfg := start(t)
	lossy := &loseFirst{map[string]bool{}}
	cfg.HTTPClient = lossy
	api := ecr.NewFromConfig(cfg)
	made, err := api.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: aws.String("one")})
	require.NoError(t, err)
	require.Equal(t, "one", *made.Repository.RepositoryName)
	require.Len(t, lossy.lost, 1)
	_, err = api.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: aws.String("one")})
	require.Equal(t, "RepositoryAlreadyExistsException", errorCode(t, err), "another call is another")
	found, err := api.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{})
	require.NoError(t, err)
	require.Len(t, found.Repositories, 1)
}

func TestStopFreesThePortAndMayBeRepeated(t *testing.T) {
	e, _ := start(t)
	address := strings.TrimPrefix(e.Endpoint(), "http://")
	e.Stop()
	e.Stop()
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	require.NoError(t, listener.Close())
}

func TestABusyPortIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	_, err = emulator.Start(t.Context(), emulator.Options{Python: python(t), Dir: t.TempDir(), Addr: listener.Addr().String()})
	require.ErrorContains(t, err, "in use")
}

func TestAnInterpreterWithoutMotoIsNamed(t *testing.T) {
	// -S leaves out everything installed, moto with it.
	bare := filepath.Join(t.TempDir(), "python")
	real, err := exec.LookPath("python3")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(bare, []byte("#!/bin/sh\nexec '"+real+"' -S \"$@\"\n"), 0o755))
	_, err = emulator.Start(t.Context(), emulator.Options{Python: bare, Dir: t.TempDir()})
	require.ErrorContains(t, err, bare)
	require.ErrorContains(t, err, "No module named")

	_, err = emulator.Start(t.Context(), emulator.Options{Python: "/no/such/python", Dir: t.TempDir()})
	require.ErrorContains(t, err, "/no/such/python")
}

func TestACancelledStartLeavesNoProcess(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := emulator.Start(ctx, emulator.Options{Python: python(t), Dir: t.TempDir()})
	require.ErrorIs(t, err, context.Canceled)
}

// The parent here is this test's binary, run again: it starts an emulator, says
// where, and is killed before it could stop it.
func TestTheEmulatorEndsWithAKilledParent(t *testing.T) {
	if dir := os.Getenv("EMULATOR_TEST_PARENT"); dir != "" {
		e, err := emulator.Start(t.Context(), emulator.Options{Python: os.Getenv("EMULATOR_TEST_PYTHON"), Dir: dir})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "endpoint.tmp"), []byte(e.Endpoint()), 0o644))
		require.NoError(t, os.Rename(filepath.Join(dir, "endpoint.tmp"), filepath.Join(dir, "endpoint")))
		time.Sleep(time.Minute)
		return
	}
	dir := t.TempDir()
	parent := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	parent.Env = append(os.Environ(), "EMULATOR_TEST_PARENT="+dir, "EMULATOR_TEST_PYTHON="+python(t))
	require.NoError(t, parent.Start())

	var endpoint []byte
	require.Eventually(t, func() bool {
		var err error
		endpoint, err = os.ReadFile(filepath.Join(dir, "endpoint"))
		return err == nil
	}, 2*time.Minute, 50*time.Millisecond)
	require.NoError(t, parent.Process.Kill())
	var exit *exec.ExitError
	require.True(t, errors.As(parent.Wait(), &exit))

	address := strings.TrimPrefix(string(endpoint), "http://")
	require.Eventually(t, func() bool {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			conn.Close()
		}
		return err != nil
	}, 30*time.Second, 50*time.Millisecond)
}
