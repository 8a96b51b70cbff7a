package policy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/stretchr/testify/require"
)

// planOf makes a plan of resources, each written as KIND.NAME {VALUES}, in a module.
func planOf(t *testing.T, resources ...string) *tfjson.Plan {
	t.Helper()
	var listed []string
	for _, one := range resources {
		name, values, ok := strings.Cut(one, " ")
		require.True(t, ok, one)
		kind, short, _ := strings.Cut(name, ".")
		listed = append(listed, fmt.Sprintf(`{"address": "module.m.%s", "mode": "managed", "type": %q, "name": %q, "values": %s}`, name, kind, short, values))
	}
	var plan tfjson.Plan
	text := `{"format_version": "1.2", "terraform_version": "1.11.4", "planned_values": {"root_module": {"child_modules": [{"address": "module.m", "resources": [` +
		strings.Join(listed, ",") + `]}]}}}`
	require.NoError(t, json.Unmarshal([]byte(text), &plan), text)
	return &plan
}

const (
	bucket    = `aws_s3_bucket.b {"bucket": "b", "force_destroy": false}`
	closed    = `aws_s3_bucket_public_access_block.b {"bucket": "b", "block_public_acls": true, "block_public_policy": true, "ignore_public_acls": true, "restrict_public_buckets": true}`
	encrypted = `aws_s3_bucket_server_side_encryption_configuration.b {"bucket": "b"}`
)

func policyOf(statement string) string {
	document, _ := json.Marshal(`{"Version": "2012-10-17", "Statement": [` + statement + `]}`)
	return string(document)
}

// A rule that nobody has seen fail is a guess: each fault is shown beside what keeps
// the rule.
func TestEveryRuleCanBeBroken(t *testing.T) {
	for name, test := range map[string]struct {
		good, bad []string
		options   Options
		rule      string
		says      string
	}{
		"a bucket with no block": {
			good: []string{bucket, closed, encrypted}, bad: []string{bucket, encrypted},
			rule: "no public bucket", says: "has no aws_s3_bucket_public_access_block",
		},
		"a bucket with a gap in its block": {
			good: []string{bucket, closed, encrypted},
			bad:  []string{bucket, strings.Replace(closed, `"block_public_policy": true`, `"block_public_policy": false`, 1), encrypted},
			rule: "no public bucket", says: "block_public_policy is not true",
		},
		"a bucket for everybody": {
			good: []string{`aws_s3_bucket_policy.b {"bucket": "b", "policy": ` + policyOf(`{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}`) + `}`},
			bad:  []string{`aws_s3_bucket_policy.b {"bucket": "b", "policy": ` + policyOf(`{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": "*"}`) + `}`},
			rule: "no public bucket", says: "lets everybody in",
		},
		"a bucket with a public list": {
			good: []string{`aws_s3_bucket_acl.b {"acl": "private"}`}, bad: []string{`aws_s3_bucket_acl.b {"acl": "public-read"}`},
			rule: "no public bucket", says: "is public-read",
		},
		"a rule for all of IPv4": {
			good: []string{`aws_vpc_security_group_ingress_rule.r {"cidr_ipv4": "10.0.0.0/16"}`}, bad: []string{`aws_vpc_security_group_ingress_rule.r {"cidr_ipv4": "0.0.0.0/0"}`},
			rule: "no way in from everywhere", says: "lets everybody in",
		},
		"a rule for all of IPv6": {
			good: []string{`aws_security_group_rule.r {"type": "egress", "ipv6_cidr_blocks": ["::/0"]}`}, bad: []string{`aws_security_group_rule.r {"type": "ingress", "ipv6_cidr_blocks": ["::/0"]}`},
			rule: "no way in from everywhere", says: "lets everybody in",
		},
		"a rule inside of a group": {
			good: []string{`aws_security_group.g {"ingress": []}`}, bad: []string{`aws_security_group.g {"ingress": [{"cidr_blocks": ["0.0.0.0/0"]}]}`},
			rule: "no way in from everywhere", says: "lets everybody in",
		},
		"a bucket in the clear": {
			good: []string{bucket, closed, encrypted}, bad: []string{bucket, closed},
			rule: "encryption everywhere", says: "server_side_encryption",
		},
		"a database in the clear": {
			good: []string{`aws_db_instance.d {"storage_encrypted": true}`}, bad: []string{`aws_db_instance.d {"storage_encrypted": false}`},
			rule: "encryption everywhere", says: "storage_encrypted",
		},
		"a cache in the clear": {
			good: []string{`aws_elasticache_replication_group.c {"at_rest_encryption_enabled": "true", "transit_encryption_enabled": true}`},
			bad:  []string{`aws_elasticache_replication_group.c {"at_rest_encryption_enabled": "true", "transit_encryption_enabled": false}`},
			rule: "encryption everywhere", says: "transit_encryption_enabled",
		},
		"a topic in the clear": {
			good: []string{`aws_sns_topic.t {"kms_master_key_id": "k"}`, `aws_sns_topic.unknown {}`}, bad: []string{`aws_sns_topic.t {"kms_master_key_id": null}`},
			rule: "encryption everywhere", says: "has no key",
		},
		"a repository in the clear": {
			good: []string{`aws_ecr_repository.r {"image_tag_mutability": "IMMUTABLE", "encryption_configuration": [{"encryption_type": "AES256"}]}`},
			bad:  []string{`aws_ecr_repository.r {"image_tag_mutability": "IMMUTABLE", "encryption_configuration": []}`},
			rule: "encryption everywhere", says: "encryption_configuration",
		},
		"a page in the clear": {
			good: []string{`aws_cloudfront_distribution.d {"default_cache_behavior": [{"viewer_protocol_policy": "redirect-to-https"}]}`},
			bad:  []string{`aws_cloudfront_distribution.d {"default_cache_behavior": [{"viewer_protocol_policy": "allow-all"}]}`},
			rule: "encryption everywhere", says: "serves in the clear",
		},
		"a public listener in the clear": {
			good: []string{`aws_lb.l {"internal": true}`, `aws_lb_listener.l {"protocol": "HTTP"}`}, bad: []string{`aws_lb.l {"internal": false}`, `aws_lb_listener.l {"protocol": "HTTP"}`},
			rule: "encryption everywhere", says: "takes HTTP",
		},
		"logs for ever": {
			good: []string{`aws_cloudwatch_log_group.g {"retention_in_days": 7}`}, bad: []string{`aws_cloudwatch_log_group.g {"retention_in_days": 0}`},
			rule: "logs have an end", says: "for ever",
		},
		"every action on everything": {
			good: []string{`aws_iam_role_policy.p {"policy": ` + policyOf(`{"Effect": "Allow", "Action": ["ec2:Describe*", "ecr:GetAuthorizationToken"], "Resource": "*"}`) + `}`},
			bad:  []string{`aws_iam_role_policy.p {"policy": ` + policyOf(`{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}`) + `}`},
			rule: "no role may do everything", says: "allows s3:* on everything",
		},
		"everything but": {
			good: []string{`aws_iam_policy.p {"policy": ` + policyOf(`{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"}`) + `}`},
			bad:  []string{`aws_iam_policy.p {"policy": ` + policyOf(`{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}`) + `}`},
			rule: "no role may do everything", says: "by what it leaves out",
		},
		"an administrator": {
			good: []string{`aws_iam_role_policy_attachment.a {"policy_arn": "arn:aws:iam::123456789012:policy/own"}`},
			bad:  []string{`aws_iam_role_policy_attachment.a {"policy_arn": "arn:aws:iam::aws:policy/AdministratorAccess"}`},
			rule: "no role may do everything", says: "gives AdministratorAccess",
		},
		"tags that move": {
			good: []string{`aws_ecr_repository.r {"image_tag_mutability": "IMMUTABLE", "encryption_configuration": [{}]}`},
			bad:  []string{`aws_ecr_repository.r {"image_tag_mutability": "MUTABLE", "encryption_configuration": [{}]}`},
			rule: "what runs is what was tested", says: "can be moved",
		},
		"the latest image": {
			good: []string{`aws_ecs_task_definition.t {"container_definitions": "[{\"image\": \"r@sha256:00\"}]"}`, `aws_ecs_task_definition.unknown {}`},
			bad:  []string{`aws_ecs_task_definition.t {"container_definitions": "[{\"image\": \"r:latest\"}]"}`},
			rule: "what runs is what was tested", says: "r:latest",
		},
		"a database that can go": {
			good:    []string{`aws_db_instance.d {"storage_encrypted": true, "deletion_protection": true, "skip_final_snapshot": false}`},
			bad:     []string{`aws_db_instance.d {"storage_encrypted": true, "deletion_protection": false, "skip_final_snapshot": false}`},
			options: Options{Protected: true}, rule: "data is protected", says: "deletion_protection",
		},
		"a database that leaves nothing": {
			good:    []string{`aws_db_instance.d {"storage_encrypted": true, "deletion_protection": true, "skip_final_snapshot": false}`},
			bad:     []string{`aws_db_instance.d {"storage_encrypted": true, "deletion_protection": true, "skip_final_snapshot": true}`},
			options: Options{Protected: true}, rule: "data is protected", says: "no last snapshot",
		},
		"a load balancer that can go": {
			good: []string{`aws_lb.l {"enable_deletion_protection": true}`}, bad: []string{`aws_lb.l {"enable_deletion_protection": false}`},
			options: Options{Protected: true}, rule: "data is protected", says: "enable_deletion_protection",
		},
		"a bucket that goes with all": {
			good: []string{bucket, closed, encrypted}, bad: []string{strings.Replace(bucket, "false", "true", 1), closed, encrypted},
			options: Options{Protected: true}, rule: "data is protected", says: "with what is in it",
		},
		"nobody's": {
			good: []string{`aws_vpc.v {"tags_all": {"Project": "p"}}`, `aws_route.r {}`}, bad: []string{`aws_vpc.v {"tags_all": {"Name": "v"}}`},
			options: Options{Tags: []string{"Project"}}, rule: "everything has its tags", says: "has no tag Project",
		},
		"a secret's text": {
			good: []string{`aws_secretsmanager_secret_version.s {"secret_string": null, "secret_string_wo_version": 1}`}, bad: []string{`aws_secretsmanager_secret_version.s {"secret_string": "hunter2"}`},
			rule: "no secret in the state", says: "secret_string",
		},
		"a database's password": {
			good: []string{`aws_db_instance.d {"storage_encrypted": true, "password_wo_version": 1}`}, bad: []string{`aws_db_instance.d {"storage_encrypted": true, "password": "hunter2"}`},
			rule: "no secret in the state", says: "password is in the state",
		},
		"a user's passwords": {
			good: []string{`aws_elasticache_user.u {"passwords": null}`}, bad: []string{`aws_elasticache_user.u {"passwords": ["hunter2"]}`},
			rule: "no secret in the state", says: "passwords is in the state",
		},
		"a key of a user": {
			bad:  []string{`aws_iam_access_key.k {"user": "u"}`},
			rule: "no secret in the state", says: "that the state holds",
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, Check(planOf(t, test.good...), test.options))
			faults := Check(planOf(t, test.bad...), test.options)
			require.Len(t, faults, 1)
			require.Equal(t, test.rule, faults[0].Rule)
			require.Contains(t, faults[0].What, test.says)
			require.True(t, strings.HasPrefix(faults[0].Address, "module.m."))
		})
	}
}

func TestADeclaredWayInIsLeftAlone(t *testing.T) {
	plan := planOf(t, `aws_vpc_security_group_ingress_rule.r {"cidr_ipv4": "0.0.0.0/0"}`)
	require.Len(t, Check(plan, Options{}), 1)
	require.Empty(t, Check(plan, Options{Open: []string{"module.m.aws_vpc_security_group_ingress_rule.r"}}))
}

func TestAPlanOfNothingProvesNothing(t *testing.T) {
	require.NotEmpty(t, Check(&tfjson.Plan{}, Options{}))
}
