package infra

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/gruntwork-io/terratest/modules/terraform"
	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/test/policy"
)

func TestShared(t *testing.T) {
	t.Parallel()
	alone(t)
	vars := map[string]any{"hcp_organization": "example", "github_repository": "example/notebooks"}
	applied(t, "envs/shared", vars, func(o *terraform.Options, cfg aws.Config) {
		out := outputs(t, o, "region", "repository_name", "repository_url")
		require.Equal(t, region, out["region"])
		found, err := ecr.NewFromConfig(cfg).DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{})
		require.NoError(t, err)
		require.Len(t, found.Repositories, 1)
		require.Equal(t, out["repository_name"], *found.Repositories[0].RepositoryName)
		require.Equal(t, out["repository_url"], *found.Repositories[0].RepositoryUri)

		identities := iam.NewFromConfig(cfg)
		for _, role := range []string{"hcp-dev-plan", "hcp-dev-apply", "hcp-production-plan", "hcp-production-apply", "github-build", "github-deploy-dev", "github-deploy-production"} {
			_, err := identities.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String(named("reactive-notebook") + "-" + role)})
			require.NoError(t, err)
		}
	})
}

// Another image and another size of the task are another revision of it, and of the
// database another class; more tasks are other bounds. Nothing that holds data or
// traffic is replaced.
func TestProduction(t *testing.T) {
	// It takes twice as long as any other. Parallel tests go on together, once all others
	// have ended: with its turn taken before that it is among the first, and not what
	// everybody waits for in the end.
	takeTurn(t)
	t.Parallel()
	vars := map[string]any{"image": image, "emails": []string{"operations@example.com"}, "valkey": true, "protect": false}
	var applying *terraform.Options
	var planning []string // what a plan asks for
	live(t, "envs/production", vars, func(o *terraform.Options, cfg aws.Config) {
		applying = o
		out := outputs(t, o, "url", "cluster_name", "service_name", "target_group_arn", "token_secret_arn", "postgres_url_secret_arn", "alarm_topic_arn", "dashboard_name")
		api := ecs.NewFromConfig(cfg)
		service := describeService(t, api, out["cluster_name"], out["service_name"])
		network := service.NetworkConfiguration.AwsvpcConfiguration
		require.Equal(t, ecstypes.AssignPublicIpDisabled, network.AssignPublicIp)
		require.Equal(t, "FARGATE", *service.CapacityProviderStrategy[0].CapacityProvider)
		container := describeTaskDefinition(t, api, *service.TaskDefinition).ContainerDefinitions[0]
		secrets := map[string]string{}
		for _, secret := range container.Secrets {
			secrets[*secret.Name] = *secret.ValueFrom
		}
		require.Equal(t, map[string]string{"NOTEBOOK_TOKEN": out["token_secret_arn"], "STORE_URL": out["postgres_url_secret_arn"]}, secrets)
		for _, pair := range container.Environment {
			require.NotEqual(t, "STORE_URL", *pair.Name)
			require.NotEqual(t, "BUS_URL", *pair.Name, "the service refuses it")
		}
		for _, secret := range secrets {
			requireNotInState(t, o, readToken(t, cfg, secret))
		}

		o.Vars["image"] = nextImage
		o.Vars["task_size"] = map[string]any{"cpu": 2048, "memory": 8192}
		o.Vars["tasks"] = map[string]any{"min": 2, "max": 4}
		o.Vars["postgres"] = map[string]any{"instance_class": "db.t4g.medium", "password_generation": 2, "apply_immediately": true}
		o.Vars["protect"] = true
		before := logSize(t, o)
		next := plan(t, o)
		planning = calledActions(t, o, before)
		require.Empty(t, policy.Check(next.Plan, policy.Options{Protected: true}))
		changed := next.changes()
		// A revision and a secret's version are registered anew.
		for _, address := range []string{"module.ecs.aws_ecs_task_definition.this", `module.data.aws_secretsmanager_secret_version.postgres["this"]`} {
			require.Equal(t, "delete+create", changed[address])
			delete(changed, address)
		}
		requireInPlace(t, changed)
		require.Contains(t, changed, `module.data.aws_db_instance.postgres["this"]`)

		database := describeDatabase(t, cfg, named("reactive-notebook-production"))
		password := databasePassword(t, cfg, out["postgres_url_secret_arn"], database)
		next.apply(t, o)
		resized := describeDatabase(t, cfg, named("reactive-notebook-production"))
		require.Equal(t, *database.DbiResourceId, *resized.DbiResourceId)
		require.Equal(t, "db.t4g.medium", *resized.DBInstanceClass)
		another := databasePassword(t, cfg, out["postgres_url_secret_arn"], resized)
		require.NotEqual(t, password, another)
		requireNotInState(t, o, another)
		deployed := describeService(t, api, out["cluster_name"], out["service_name"])
		require.Equal(t, *service.ServiceArn, *deployed.ServiceArn)
		require.NotEqual(t, *service.TaskDefinition, *deployed.TaskDefinition)
	}, func(o *terraform.Options, cfg aws.Config) {
		requireProtected(t, o, cfg)
	})
	requireRolesSuffice(t, applying, "production", planning)
}

// requireProtected tries to destroy what holds data, which must stay.
func requireProtected(t *testing.T, o *terraform.Options, cfg aws.Config) {
	t.Helper()
	name := named("reactive-notebook-production")
	keepNotebooks(t, s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }), name+"-notebooks-"+account, "notebooks/")
	said, err := toolsOf(o).call(t.Context(), o.TerraformDir, terraform.FormatArgs(o, "destroy", "-auto-approve", "-input=false",
		"-target=module.data.aws_db_instance.postgres", "-target=module.data.aws_s3_bucket.notebooks")...)
	require.Error(t, err)
	require.Contains(t, said, "Cannot delete protected DB Instance")
	require.Contains(t, said, "BucketNotEmpty")
	require.Equal(t, "available", *describeDatabase(t, cfg, name).DBInstanceStatus)
}

func TestDev(t *testing.T) {
	t.Parallel()
	applied(t, "envs/dev", map[string]any{"image": image}, func(o *terraform.Options, cfg aws.Config) {
		out := outputs(t, o, "region", "url", "frontend_bucket", "distribution_id", "distribution_domain_name",
			"cluster_name", "service_name", "target_group_arn", "log_group_name", "token_secret_arn")
		require.Equal(t, "https://"+out["distribution_domain_name"], out["url"])

		api := ecs.NewFromConfig(cfg)
		service := describeService(t, api, out["cluster_name"], out["service_name"])
		require.Equal(t, "FARGATE_SPOT", *service.CapacityProviderStrategy[0].CapacityProvider)
		network := service.NetworkConfiguration.AwsvpcConfiguration
		require.Equal(t, ecstypes.AssignPublicIpEnabled, network.AssignPublicIp)
		// The public address is closed: one way in, from a security group.
		ways := ingress(t, ec2.NewFromConfig(cfg), network.SecurityGroups...)
		require.Len(t, ways, 1)
		for _, rules := range ways {
			require.Len(t, rules, 1)
			require.NotNil(t, rules[0].ReferencedGroupInfo)
		}

		task := describeTaskDefinition(t, api, *service.TaskDefinition)
		require.Equal(t, "512", *task.Cpu)
		require.Equal(t, "1024", *task.Memory)
		require.Equal(t, ecstypes.CPUArchitectureArm64, task.RuntimePlatform.CpuArchitecture)
		container := task.ContainerDefinitions[0]
		require.Equal(t, "notebook", *container.Name)
		require.Equal(t, image, *container.Image)
		require.Equal(t, []string{"serve"}, container.Command)
		require.True(t, *container.ReadonlyRootFilesystem)
		require.Equal(t, []string{"CMD", "/usr/local/bin/notebook", "healthcheck"}, container.HealthCheck.Command)
		require.NotContains(t, container.LinuxParameters.Capabilities.Drop, "SETUID")
		require.EqualValues(t, 8000, *container.PortMappings[0].ContainerPort)
		environment := map[string]string{}
		for _, pair := range container.Environment {
			environment[*pair.Name] = *pair.Value
		}
		require.Equal(t, map[string]string{
			"ADDR": ":8000", "ENVIRONMENT": "dev", "ALLOWED_ORIGINS": out["url"], "STORE_URL": "s3://" + named("reactive-notebook-dev") + "-notebooks-" + account + "/notebooks",
			"SHUTDOWN_GRACE": "25s", "TRUSTED_PROXIES": "10.0.0.0/16",
		}, environment)
		require.Equal(t, "NOTEBOOK_TOKEN", *container.Secrets[0].Name)
		require.Equal(t, out["token_secret_arn"], *container.Secrets[0].ValueFrom)
		var mounted []string
		for _, mount := range container.MountPoints {
			mounted = append(mounted, *mount.ContainerPath)
		}
		require.ElementsMatch(t, []string{"/tmp"}, mounted)

		// Notebooks last in a bucket that the task may use, and that goes with the
		// environment.
		bucket := named("reactive-notebook-dev") + "-notebooks-" + account
		files := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		requireClosed(t, files, bucket)
		keepNotebooks(t, files, bucket, "notebooks/")
		require.True(t, strings.HasSuffix(*task.TaskRoleArn, "/"+named("reactive-notebook-dev")+"-task"))
		require.Contains(t, rolePolicy(t, iam.NewFromConfig(cfg), named("reactive-notebook-dev")+"-task", "notebooks"), "arn:aws:s3:::"+bucket+"/notebooks/*")

		token := readToken(t, cfg, out["token_secret_arn"])
		require.Len(t, token, 48)
		requireNotInState(t, o, token)

		clusters, err := api.DescribeClusters(t.Context(), &ecs.DescribeClustersInput{
			Clusters: []string{out["cluster_name"]}, Include: []ecstypes.ClusterField{ecstypes.ClusterFieldTags},
		})
		require.NoError(t, err)
		tags := map[string]string{}
		for _, tag := range clusters.Clusters[0].Tags {
			tags[*tag.Key] = *tag.Value
		}
		delete(tags, "TestRun") // of a run on a real account
		require.Equal(t, map[string]string{"Project": "reactive-notebook", "Environment": "dev", "ManagedBy": "terraform"}, tags)

		t.Run("a second apply keeps the token and another generation makes a new one", func(t *testing.T) {
			terraform.ApplyContext(t, t.Context(), o)
			require.Equal(t, token, readToken(t, cfg, out["token_secret_arn"]))
			o.Vars["token_generation"] = 2
			terraform.ApplyContext(t, t.Context(), o)
			next := readToken(t, cfg, out["token_secret_arn"])
			require.NotEqual(t, token, next)
			requireNotInState(t, o, next)
		})
	})
}

// Region is one variable: plans for two regions differ in nothing but its name.
func TestEveryEnvironmentPlansInBothRegions(t *testing.T) {
	t.Parallel()
	for name, vars := range map[string]map[string]any{
		"shared":     {"hcp_organization": "example", "github_repository": "example/notebooks"},
		"dev":        {"image": image},
		"production": {"image": image, "emails": []string{"operations@example.com"}, "valkey": true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			takeTurn(t)
			e := startEmulator(t)
			dir := copyOf(t, "envs/"+name)
			o := options(e, dir, vars)
			initialize(t, o)
			values := func(code string) string {
				o.Vars["region"] = code
				if _, found := o.Vars["image"]; found {
					o.Vars["image"] = strings.ReplaceAll(image, region, code)
				}
				p := plan(t, o)
				require.Greater(t, len(p.ResourceChanges), 3)
				requirePolicy(t, "envs/"+name, p)
				// Production is protected unless somebody lifts it.
				require.Empty(t, policy.Check(p.Plan, policy.Options{Protected: name == "production"}))
				text, err := json.MarshalIndent(p.PlannedValues, "", " ")
				require.NoError(t, err)
				return string(text)
			}
			stockholm, london := values(region), values("eu-west-2")
			require.NotContains(t, london, region)
			require.Contains(t, london, "eu-west-2")
			// AWS's own list of CloudFront's addresses has an id of its own in each region.
			list := regexp.MustCompile(`"pl-[0-9a-f]+"`)
			require.Equal(t, list.ReplaceAllString(stockholm, "pl"), list.ReplaceAllString(strings.ReplaceAll(london, "eu-west-2", region), "pl"))
		})
	}
}

func outputs(t *testing.T, o *terraform.Options, names ...string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for name, value := range terraform.OutputAllContext(t, t.Context(), o) {
		found[name], _ = value.(string)
	}
	for _, name := range names {
		require.NotEmpty(t, found[name], "output %s", name)
	}
	return found
}

func readToken(t *testing.T, cfg aws.Config, arn string) string {
	t.Helper()
	value, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &arn})
	require.NoError(t, err)
	return *value.SecretString
}

// requireNotInState looks through everything that Terraform wrote.
func requireNotInState(t *testing.T, o *terraform.Options, secret string) {
	t.Helper()
	states, err := filepath.Glob(filepath.Join(o.TerraformDir, "*.tfstate*"))
	require.NoError(t, err)
	require.NotEmpty(t, states)
	for _, path := range states {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NotContains(t, string(content), secret, path)
	}
}
