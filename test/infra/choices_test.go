package infra

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/test/policy"
)

// What production can be made of is planned to its end, and keeps the rules. Each value
// of each variable stands beside several of every other's, as most faults are in how
// two go together; a plan costs seconds, an apply minutes.
func TestProductionsChoices(t *testing.T) {
	t.Parallel()
	takeTurn(t)
	e := startEmulator(t)
	o := options(e, copyOf(t, "envs/production"), nil)
	initialize(t, o)
	type names []string
	const (
		database = `module.data.aws_db_instance.postgres["this"]`
		cache    = `module.data.aws_elasticache_replication_group.valkey["this"]`
		bucketed = `module.ecs.aws_iam_role_policy.task["notebooks"]`
		byCache  = `module.ecs.aws_iam_role_policy.task["valkey"]`
		proved   = `module.frontend_cdn.aws_acm_certificate_validation.this[0]`
		second   = `module.network.aws_nat_gateway.this[1]`
	)
	boundary := "arn:aws:iam::123456789012:policy/reactive-notebook-production-ci-boundary"
	byZone := map[string]any{"name": "notebooks.example.com", "aliases": []string{"nb.example.com"}, "zone_id": "Z0123456789ABCDEFGHIJ"}
	byCertificate := map[string]any{"name": "notebooks.example.com", "certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/0b9a"}
	for name, test := range map[string]struct {
		vars     map[string]any
		has, not names
	}{
		"as it comes": {
			has: names{database, second, "module.ecs.aws_ecs_service.autoscaled[0]"},
			not: names{cache, bucketed, proved},
		},
		"notebooks in the bucket, one NAT gateway": {
			vars: map[string]any{"postgres": nil, "nat": "single", "emails": []string{"operations@example.com", "others@example.com"}},
			has:  names{bucketed, `module.observability.aws_sns_topic_subscription.email["others@example.com"]`},
			not:  names{database, cache, second, `module.observability.aws_cloudwatch_metric_alarm.this["postgres-cpu"]`},
		},
		"notebooks in the bucket, a cache, a name in a zone": {
			vars: map[string]any{"postgres": nil, "valkey": true, "domain": byZone, "permissions_boundary_arn": boundary},
			has:  names{bucketed, cache, byCache, proved, second, `module.frontend_cdn.aws_route53_record.this["nb.example.com AAAA"]`},
			not:  names{database},
		},
		"a small database, many tasks, a name in a zone, without protection": {
			vars: map[string]any{
				"postgres": map[string]any{"instance_class": "db.t4g.micro", "multi_az": false}, "nat": "single", "domain": byZone,
				"tasks": map[string]any{"min": 2, "max": 6}, "task_size": map[string]any{"cpu": 4096, "memory": 16384}, "protect": false,
			},
			has: names{database, proved, `module.ecs.aws_appautoscaling_policy.this["memory"]`},
			not: names{cache, second},
		},
		"a cache, two tasks, a certificate of one's own": {
			vars: map[string]any{"valkey": true, "domain": byCertificate, "tasks": map[string]any{"min": 2, "max": 2}, "permissions_boundary_arn": boundary, "monthly_budget_usd": 1000},
			has:  names{database, cache, byCache},
			not:  names{bucketed, proved, `module.frontend_cdn.aws_route53_record.this["notebooks.example.com A"]`},
		},
		"notebooks in the bucket, a certificate of one's own, without protection": {
			vars: map[string]any{"postgres": nil, "domain": byCertificate, "protect": false, "token_generation": 7, "environment": "live", "name_prefix": "notebook-live"},
			has:  names{bucketed},
			not:  names{database, proved},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o.Vars = map[string]any{"image": image}
			maps.Copy(o.Vars, test.vars)
			p := plan(t, o)
			requirePolicy(t, "envs/production", p)
			_, lifted := test.vars["protect"]
			require.Empty(t, policy.Check(p.Plan, policy.Options{Protected: !lifted}))
			made := p.changes()
			for _, address := range test.has {
				require.Equal(t, "create", made[address], address)
			}
			for _, address := range test.not {
				require.NotContains(t, made, address)
			}
			boundary, bounded := test.vars["permissions_boundary_arn"]
			for _, change := range p.ResourceChanges {
				if values, ok := change.Change.After.(map[string]any); ok && bounded && change.Type == "aws_iam_role" {
					require.Equal(t, boundary, values["permissions_boundary"], change.Address)
				}
			}
		})
	}
}

var errorMessage = regexp.MustCompile(`(?m)^\s+error_message\s*= ("(?:[^"\\]|\\.)*")$`)

// What an environment can't be made of is refused by a plan, with a message that says
// why. Each value here is of a variable of its own, so that one plan shows many; every
// message that an environment's own variables have must be among them.
func TestEnvironmentsRefuseWhatCannotBe(t *testing.T) {
	t.Parallel()
	type values = map[string]any
	none := values{"image": image}
	for name, test := range map[string]struct {
		plans []values
		says  []string // of the modules, whose own tests hold every message
	}{
		"shared": {
			plans: []values{
				{"region": "London"},
				{"name_prefix": "Notebook", "hcp_organization": "any*", "github_repository": "example", "environments": []string{"Dev"}},
			},
			says: []string{
				"name must have 2 to 256", "name_prefix must have 2 to 24", "exact names of letters, digits, spaces", "github.repository must be OWNER/NAME",
				"hcp_terraform.workspaces must be keyed by names of environments",
			},
		},
		"dev": {
			plans: []values{
				{"region": "London", "image": "reactive-notebook:latest"},
				{"token_generation": 0, "name_prefix": "internal-notebook", "permissions_boundary_arn": "boundary"},
				{"name_prefix": "a-name-of-more-than-thirty-two-chars"},
			},
			says: []string{
				"generation must be a whole number from 1", "name_prefix must not start with", "name_prefix must have 2 to 32", "permissions_boundary_arn must be the ARN of a policy",
			},
		},
		"production": {
			plans: []values{
				{"region": "London", "image": "reactive-notebook:latest", "nat": "none", "tasks": values{"min": 0, "max": 0}},
				{"tasks": values{"min": 2, "max": 1}},
				{"postgres": nil, "tasks": values{"min": 1, "max": 2}},
				{
					"task_size": values{"cpu": 512, "memory": 512}, "postgres": values{"instance_class": "t4g.micro", "password_generation": 0},
					"domain": values{"name": "notebooks.example.com"}, "emails": []string{"operations"}, "monthly_budget_usd": 0, "token_generation": 1.5,
				},
			},
			says: []string{
				"task_size must be one of Fargate's pairs", "postgres.instance_class must be a class of RDS", "postgres.password_generation must be a whole number",
				"domain must have either zone_id", "emails must hold addresses", "budget.monthly_usd must be at least 1", "generation must be a whole number from 1",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			takeTurn(t)
			e := startEmulator(t)
			o := options(e, copyOf(t, "envs/"+name), nil)
			initialize(t, o)
			var said []string
			for _, values := range test.plans {
				o.Vars = maps.Clone(values)
				if name != "shared" && o.Vars["image"] == nil {
					maps.Copy(o.Vars, none)
				}
				diagnostics, err := diagnose(t, o, "plan", "-input=false", "-json")
				require.Error(t, err)
				for _, one := range diagnostics {
					// Nothing but rules that say what they are about.
					require.Contains(t, []string{"Invalid value for variable", "Resource precondition failed"}, one.Summary, one.Detail)
					said = append(said, one.Detail)
				}
			}
			all := strings.Join(said, "\n")
			for _, message := range test.says {
				require.Contains(t, all, message)
			}
			variables, err := os.ReadFile(filepath.Join(shared.root, "envs", name, "variables.tf"))
			require.NoError(t, err)
			declared := errorMessage.FindAllStringSubmatch(string(variables), -1)
			require.Len(t, declared, strings.Count(string(variables), "validation {"))
			for _, one := range declared {
				message, err := strconv.Unquote(one[1])
				require.NoError(t, err)
				require.True(t, slices.ContainsFunc(said, func(detail string) bool { return strings.HasPrefix(detail, message) }), "nothing here breaks: %s", message)
			}
		})
	}
}
