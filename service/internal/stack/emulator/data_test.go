package emulator_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/budgets"
	budgettypes "github.com/aws/aws-sdk-go-v2/service/budgets/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	cachetypes "github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/stretchr/testify/require"
)

func TestAReplicationGroupHasMembersAndUsersAndGoes(t *testing.T) {
	_, cfg := start(t)
	api, ctx := elasticache.NewFromConfig(cfg), t.Context()
	_, err := api.CreateUser(ctx, &elasticache.CreateUserInput{
		UserId: aws.String("service"), UserName: aws.String("service"), Engine: aws.String("valkey"), AccessString: aws.String("on ~* -@all"),
		AuthenticationMode: &cachetypes.AuthenticationMode{Type: cachetypes.InputAuthenticationTypeIam},
	})
	require.NoError(t, err)
	_, err = api.CreateUserGroup(ctx, &elasticache.CreateUserGroupInput{UserGroupId: aws.String("users"), Engine: aws.String("valkey"), UserIds: []string{"nobody"}})
	require.Contains(t, errorCode(t, err), "UserNotFound")
	group, err := api.CreateUserGroup(ctx, &elasticache.CreateUserGroupInput{
		UserGroupId: aws.String("users"), Engine: aws.String("valkey"), UserIds: []string{"service"},
		Tags: []cachetypes.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
	})
	require.NoError(t, err)
	tags, err := api.ListTagsForResource(ctx, &elasticache.ListTagsForResourceInput{ResourceName: group.ARN})
	require.NoError(t, err)
	require.Equal(t, "b", *tags.TagList[0].Value)

	made, err := api.CreateReplicationGroup(ctx, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String("cache"), ReplicationGroupDescription: aws.String("test"), Engine: aws.String("valkey"), EngineVersion: aws.String("8.0"),
		CacheNodeType: aws.String("cache.t4g.micro"), NumCacheClusters: aws.Int32(2), UserGroupIds: []string{"users"},
		TransitEncryptionEnabled: aws.Bool(true), TransitEncryptionMode: cachetypes.TransitEncryptionModeRequired,
	})
	require.NoError(t, err)
	require.Len(t, made.ReplicationGroup.MemberClusters, 2)
	for _, name := range made.ReplicationGroup.MemberClusters {
		member, err := api.DescribeCacheClusters(ctx, &elasticache.DescribeCacheClustersInput{CacheClusterId: &name})
		require.NoError(t, err)
		require.Equal(t, "cache", *member.CacheClusters[0].ReplicationGroupId)
		require.Equal(t, "8.0.1", *member.CacheClusters[0].EngineVersion)
		require.Equal(t, cachetypes.TransitEncryptionModeRequired, member.CacheClusters[0].TransitEncryptionMode)
	}
	_, err = api.DeleteUserGroup(ctx, &elasticache.DeleteUserGroupInput{UserGroupId: aws.String("users")})
	require.Equal(t, "InvalidUserGroupState", errorCode(t, err))
	changed, err := api.ModifyReplicationGroup(ctx, &elasticache.ModifyReplicationGroupInput{ReplicationGroupId: aws.String("cache"), CacheNodeType: aws.String("cache.t4g.small")})
	require.NoError(t, err)
	require.Equal(t, "cache.t4g.small", *changed.ReplicationGroup.CacheNodeType)

	_, err = api.DeleteReplicationGroup(ctx, &elasticache.DeleteReplicationGroupInput{ReplicationGroupId: aws.String("cache")})
	require.NoError(t, err)
	_, err = api.DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: aws.String("cache")})
	require.Contains(t, errorCode(t, err), "ReplicationGroupNotFound")
	_, err = api.DeleteUserGroup(ctx, &elasticache.DeleteUserGroupInput{UserGroupId: aws.String("users")})
	require.NoError(t, err)
}

func TestSetParametersComeFromAUser(t *testing.T) {
	_, cfg := start(t)
	api, ctx, name := rds.NewFromConfig(cfg), t.Context(), aws.String("parameters")
	_, err := api.CreateDBParameterGroup(ctx, &rds.CreateDBParameterGroupInput{DBParameterGroupName: name, DBParameterGroupFamily: aws.String("postgres17"), Description: aws.String("test")})
	require.NoError(t, err)
	_, err = api.ModifyDBParameterGroup(ctx, &rds.ModifyDBParameterGroupInput{DBParameterGroupName: name, Parameters: []rdstypes.Parameter{
		{ParameterName: aws.String("rds.force_ssl"), ParameterValue: aws.String("1"), ApplyMethod: rdstypes.ApplyMethodImmediate},
	}})
	require.NoError(t, err)
	found, err := api.DescribeDBParameters(ctx, &rds.DescribeDBParametersInput{DBParameterGroupName: name, Source: aws.String("user")})
	require.NoError(t, err)
	require.Len(t, found.Parameters, 1)
	require.Equal(t, "user", *found.Parameters[0].Source)
}

// A database that has gone leaves its last snapshot and its backups, until somebody
// deletes them.
func TestWhatADatabaseLeavesCanBeDeleted(t *testing.T) {
	_, cfg := start(t)
	api, ctx, name := rds.NewFromConfig(cfg), t.Context(), aws.String("database")
	made, err := api.CreateDBInstance(ctx, &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: name, DBInstanceClass: aws.String("db.t4g.micro"), Engine: aws.String("postgres"), AllocatedStorage: aws.Int32(20),
		MasterUsername: aws.String("notebook"), MasterUserPassword: aws.String("0123456789abcdef"), BackupRetentionPeriod: aws.Int32(7),
	})
	require.NoError(t, err)
	_, err = api.DeleteDBInstance(ctx, &rds.DeleteDBInstanceInput{
		DBInstanceIdentifier: name, FinalDBSnapshotIdentifier: aws.String("last"), DeleteAutomatedBackups: aws.Bool(false),
	})
	require.NoError(t, err)
	backups := &rds.DescribeDBInstanceAutomatedBackupsInput{DBInstanceIdentifier: name}
	kept, err := api.DescribeDBInstanceAutomatedBackups(ctx, backups)
	require.NoError(t, err)
	require.Len(t, kept.DBInstanceAutomatedBackups, 1)
	require.Equal(t, made.DBInstance.DbiResourceId, kept.DBInstanceAutomatedBackups[0].DbiResourceId)

	_, err = api.DeleteDBInstanceAutomatedBackup(ctx, &rds.DeleteDBInstanceAutomatedBackupInput{DbiResourceId: made.DBInstance.DbiResourceId})
	require.NoError(t, err)
	kept, err = api.DescribeDBInstanceAutomatedBackups(ctx, backups)
	require.NoError(t, err)
	require.Empty(t, kept.DBInstanceAutomatedBackups)
	_, err = api.DeleteDBInstanceAutomatedBackup(ctx, &rds.DeleteDBInstanceAutomatedBackupInput{DbiResourceId: made.DBInstance.DbiResourceId})
	require.Equal(t, "DBInstanceAutomatedBackupNotFound", errorCode(t, err))
	snapshots, err := api.DescribeDBSnapshots(ctx, &rds.DescribeDBSnapshotsInput{DBInstanceIdentifier: name})
	require.NoError(t, err)
	require.Len(t, snapshots.DBSnapshots, 1, "the last one, which is nobody's backup")
}

func TestABudgetKeepsWhoIsToldAndItsTags(t *testing.T) {
	_, cfg := start(t)
	api, ctx, account := budgets.NewFromConfig(cfg), t.Context(), aws.String("123456789012")
	told := budgettypes.Notification{NotificationType: budgettypes.NotificationTypeActual, ComparisonOperator: budgettypes.ComparisonOperatorGreaterThan, Threshold: 80}
	_, err := api.CreateBudget(ctx, &budgets.CreateBudgetInput{
		AccountId: account,
		Budget: &budgettypes.Budget{
			BudgetName: aws.String("monthly"), BudgetType: budgettypes.BudgetTypeCost, TimeUnit: budgettypes.TimeUnitMonthly,
			BudgetLimit: &budgettypes.Spend{Amount: aws.String("10"), Unit: aws.String("USD")},
		},
		NotificationsWithSubscribers: []budgettypes.NotificationWithSubscribers{{
			Notification: &told, Subscribers: []budgettypes.Subscriber{{Address: aws.String("a@example.com"), SubscriptionType: budgettypes.SubscriptionTypeEmail}},
		}},
		ResourceTags: []budgettypes.ResourceTag{{Key: aws.String("a"), Value: aws.String("b")}},
	})
	require.NoError(t, err)
	subscribers, err := api.DescribeSubscribersForNotification(ctx, &budgets.DescribeSubscribersForNotificationInput{AccountId: account, BudgetName: aws.String("monthly"), Notification: &told})
	require.NoError(t, err)
	require.Equal(t, "a@example.com", *subscribers.Subscribers[0].Address)
	tags, err := api.ListTagsForResource(ctx, &budgets.ListTagsForResourceInput{ResourceARN: aws.String("arn:aws:budgets::123456789012:budget/monthly")})
	require.NoError(t, err)
	require.Equal(t, "b", *tags.ResourceTags[0].Value)
	_, err = api.DescribeSubscribersForNotification(ctx, &budgets.DescribeSubscribersForNotificationInput{AccountId: account, BudgetName: aws.String("other"), Notification: &told})
	require.Equal(t, "NotFoundException", errorCode(t, err))
}
