package infra

import (
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	cachetypes "github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/gruntwork-io/terratest/modules/terraform"
	"github.com/stretchr/testify/require"
)

// requireDatabase looks at the example's database.
func requireDatabase(t *testing.T, o *terraform.Options, cfg aws.Config) {
	t.Helper()
	var out struct {
		Identifier string `json:"postgres_identifier"`
		Secret     string `json:"postgres_url_secret_arn"`
		Group      string `json:"postgres_security_group_id"`
	}
	terraform.OutputStructContext(t, t.Context(), o, "data", &out)
	instance := describeDatabase(t, cfg, out.Identifier)
	require.True(t, *instance.StorageEncrypted && *instance.MultiAZ && *instance.CopyTagsToSnapshot)
	require.False(t, *instance.PubliclyAccessible)
	require.False(t, *instance.DeletionProtection)
	require.Equal(t, "db.t4g.micro", *instance.DBInstanceClass)
	require.Equal(t, outputs(t, o, "kms_key_arn")["kms_key_arn"], *instance.KmsKeyId)
	ways := ingress(t, ec2.NewFromConfig(cfg), out.Group)[out.Group]
	require.Len(t, ways, 1)
	require.EqualValues(t, 5432, *ways[0].FromPort)
	require.NotEmpty(t, aws.ToString(ways[0].ReferencedGroupInfo.GroupId))

	requireNotInState(t, o, databasePassword(t, cfg, out.Secret, instance))
}

// requireInPlace demands that nothing is taken away or replaced.
func requireInPlace(t *testing.T, changes map[string]string) {
	t.Helper()
	require.NotEmpty(t, changes)
	for address, change := range changes {
		require.NotContains(t, change, "delete", address)
	}
}

func describeDatabase(t *testing.T, cfg aws.Config, identifier string) rdstypes.DBInstance {
	t.Helper()
	found, err := rds.NewFromConfig(cfg).DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &identifier})
	require.NoError(t, err)
	return found.DBInstances[0]
}

// databasePassword reads the address in the secret, which must be the instance's,
// and returns the password in it.
func databasePassword(t *testing.T, cfg aws.Config, secret string, instance rdstypes.DBInstance) string {
	t.Helper()
	address, err := url.Parse(readToken(t, cfg, secret))
	require.NoError(t, err)
	require.Equal(t, "postgres", address.Scheme)
	require.Equal(t, *instance.Endpoint.Address, address.Hostname())
	require.Equal(t, "/"+*instance.DBName, address.Path)
	require.Equal(t, *instance.MasterUsername, address.User.Username())
	require.Equal(t, "require", address.Query().Get("sslmode"))
	password, _ := address.User.Password()
	require.Len(t, password, 40)
	return password
}

func requireCache(t *testing.T, o *terraform.Options, cfg aws.Config) {
	t.Helper()
	var out struct {
		ID    string `json:"valkey_replication_group_id"`
		URL   string `json:"valkey_url"`
		Group string `json:"valkey_security_group_id"`
	}
	terraform.OutputStructContext(t, t.Context(), o, "data", &out)
	api := elasticache.NewFromConfig(cfg)
	found, err := api.DescribeReplicationGroups(t.Context(), &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: &out.ID})
	require.NoError(t, err)
	group := found.ReplicationGroups[0]
	require.True(t, *group.TransitEncryptionEnabled && *group.AtRestEncryptionEnabled)
	require.Equal(t, cachetypes.TransitEncryptionModeRequired, group.TransitEncryptionMode)
	require.Equal(t, cachetypes.MultiAZStatusEnabled, group.MultiAZ)
	require.Len(t, group.MemberClusters, 2)
	require.Equal(t, []string{out.ID}, group.UserGroupIds)
	users, err := api.DescribeUsers(t.Context(), &elasticache.DescribeUsersInput{UserId: aws.String(out.ID + "-service")})
	require.NoError(t, err)
	require.Equal(t, cachetypes.AuthenticationTypeIam, users.Users[0].Authentication.Type)
	require.Equal(t, "rediss://"+out.ID+"-service@"+*group.NodeGroups[0].PrimaryEndpoint.Address+":6379", out.URL)
	ways := ingress(t, ec2.NewFromConfig(cfg), out.Group)[out.Group]
	require.Len(t, ways, 1)
	require.EqualValues(t, 6379, *ways[0].FromPort)
	require.Contains(t, rolePolicy(t, iam.NewFromConfig(cfg), named("data-example")+"-service", "valkey"), *group.ARN)
}
