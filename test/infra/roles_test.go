package infra

import (
	"encoding/json"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gruntwork-io/terratest/modules/terraform"
	"github.com/stretchr/testify/require"
)

// requireRolesSuffice compares what the emulator of o has been asked for, from the
// first apply of the environment to its end, with the actions that the roles of
// envs/shared allow: everything is the apply role's, and what a plan asks for is the
// plan role's. The emulator enforces no policy; resources and conditions are not tried
// here, nor are the services whose requests don't name their action (S3, CloudFront,
// Route 53).
func requireRolesSuffice(t *testing.T, o *terraform.Options, environment string, planning []string) {
	t.Helper()
	if onAWS() {
		return // there is no log of what was asked for
	}
	applying := calledActions(t, o, 0)
	require.NotEmpty(t, planning)
	require.Greater(t, len(applying), len(planning))

	roles := options(toolsOf(o), copyOf(t, "envs/shared"), map[string]any{"hcp_organization": "example"})
	initialize(t, roles)
	reading, changing := allowedActions(t, plan(t, roles), environment)
	for _, action := range planning {
		require.True(t, allowed(reading, action), "the plan role may not %s", action)
	}
	for _, action := range applying {
		require.True(t, allowed(changing, action), "the apply role may not %s", action)
	}
}

// logSize is where the log of o's emulator ends now, in bytes.
func logSize(t *testing.T, o *terraform.Options) int64 {
	t.Helper()
	if onAWS() {
		return 0
	}
	info, err := os.Stat(o.EnvVars[logVariable])
	require.NoError(t, err)
	return info.Size()
}

// A line is HH:MM:SS SERVICE METHOD PATH ACTION -> STATUS; the action is
// Action=NAME or TARGET.NAME.
var request = regexp.MustCompile(`(?m)^[0-9:]{8} ([a-z0-9-]+) POST \S+ (?:Action=|[A-Za-z0-9_]+\.)([A-Za-z]+) -> `)

// permissions are IAM's names where they aren't the API's.
var permissions = map[string]string{
	"budgets:CreateBudget":                       "budgets:ModifyBudget",
	"budgets:CreateNotification":                 "budgets:ModifyBudget",
	"budgets:DeleteBudget":                       "budgets:ModifyBudget",
	"budgets:DescribeBudget":                     "budgets:ViewBudget",
	"budgets:DescribeNotificationsForBudget":     "budgets:ViewBudget",
	"budgets:DescribeSubscribersForNotification": "budgets:ViewBudget",
	"sts:GetCallerIdentity":                      "", // nobody needs a permission for it
	"iam:ListPolicies":                           "", // asked by the tests' inventory alone
	"iam:ListRoles":                              "",
	"rds:DeleteDBInstanceAutomatedBackup":        "", // what a destroy leaves is an administrator's
	"rds:DeleteDBSnapshot":                       "",
}

// calledActions are the actions in the log of o's emulator from an offset in bytes, as
// IAM names them.
func calledActions(t *testing.T, o *terraform.Options, from int64) []string {
	t.Helper()
	if onAWS() {
		return nil
	}
	content, err := os.ReadFile(o.EnvVars[logVariable])
	require.NoError(t, err)
	var called []string
	for _, match := range request.FindAllStringSubmatch(string(content[from:]), -1) {
		service := match[1]
		if service == "monitoring" {
			service = "cloudwatch"
		}
		action := service + ":" + match[2]
		if renamed, found := permissions[action]; found {
			action = renamed
		}
		if action != "" && !slices.Contains(called, action) {
			called = append(called, action)
		}
	}
	return called
}

// allowedActions are the actions that the plan role and the apply role allow.
func allowedActions(t *testing.T, p planned, environment string) (reading, changing []string) {
	t.Helper()
	for _, change := range p.ResourceChanges {
		values, _ := change.Change.After.(map[string]any)
		switch {
		case change.Type == "aws_iam_policy" && strings.Contains(change.Address, `["`+environment):
			document, known := values["policy"].(string)
			if !known {
				continue
			}
			var policy struct {
				Statement []struct{ Action any }
			}
			require.NoError(t, json.Unmarshal([]byte(document), &policy))
			for _, statement := range policy.Statement {
				actions := actionsOf(statement.Action)
				switch change.Name {
				case "read":
					reading = append(reading, actions...)
					changing = append(changing, actions...)
				case "change":
					changing = append(changing, actions...)
				}
			}
		// It names the boundary, which has no ARN yet; its actions are known.
		case change.Type == "aws_iam_policy_document" && change.Name == "roles" && strings.Contains(change.Address, `["`+environment):
			statements, _ := values["statement"].([]any)
			for _, statement := range statements {
				if block, ok := statement.(map[string]any); ok {
					changing = append(changing, actionsOf(block["actions"])...)
				}
			}
		}
	}
	require.NotEmpty(t, reading)
	require.Greater(t, len(changing), len(reading))
	return reading, changing
}

func actionsOf(value any) []string {
	if one, ok := value.(string); ok {
		return []string{one}
	}
	var found []string
	many, _ := value.([]any)
	for _, one := range many {
		if text, ok := one.(string); ok {
			found = append(found, text)
		}
	}
	return found
}

func allowed(patterns []string, action string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		matched, err := path.Match(strings.ToLower(pattern), strings.ToLower(action))
		return err == nil && matched
	})
}

func TestAllowedKnowsWildcards(t *testing.T) {
	t.Parallel()
	require.True(t, allowed([]string{"ec2:Describe*"}, "ec2:DescribeVpcs"))
	require.False(t, allowed([]string{"ec2:Describe*"}, "ec2:DeleteVpc"))
	require.False(t, allowed(nil, "ec2:DeleteVpc"))
}
