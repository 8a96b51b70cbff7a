// Package policy tells what in a Terraform plan must not be in any of the project's
// environments: buckets open to the public, ways in from everywhere, what is stored
// or sent in the clear, logs kept for ever, roles that may do everything, images that
// change under their name, data that anybody can destroy by accident, resources that
// nobody can be asked about, and secrets in the state.
//
// It reads planned values alone. What is known only after an apply is judged on the
// plan that follows it. Its invariant: a value that isn't known is never a fault, and
// never a proof.
package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

// Options are what differs from plan to plan.
type Options struct {
	// Open are addresses of ingress rules that may let everybody in.
	Open []string
	// Protected demands that what holds data refuses to be destroyed.
	Protected bool
	// Tags are keys that everything that can have tags must have.
	Tags []string
}

// Fault is one resource that breaks one rule.
type Fault struct{ Rule, Address, What string }

func (f Fault) String() string { return f.Address + ": " + f.What + " (" + f.Rule + ")" }

// Check returns what breaks the rules in what the plan leaves standing.
func Check(plan *tfjson.Plan, options Options) []Fault {
	if plan.PlannedValues == nil || plan.PlannedValues.RootModule == nil {
		return []Fault{{"plan", "", "it has no planned values"}}
	}
	all := resources(plan.PlannedValues.RootModule)
	var faults []Fault
	for _, rule := range []struct {
		name  string
		check func([]resource, Options, func(resource, string))
	}{
		{"no public bucket", publicBuckets},
		{"no way in from everywhere", openIngress},
		{"encryption everywhere", encryption},
		{"logs have an end", logRetention},
		{"no role may do everything", wildcards},
		{"what runs is what was tested", immutableImages},
		{"data is protected", deletionProtection},
		{"everything has its tags", tags},
		{"no secret in the state", secrets},
	} {
		rule.check(all, options, func(r resource, what string) {
			faults = append(faults, Fault{rule.name, r.Address, what})
		})
	}
	return faults
}

type resource struct{ *tfjson.StateResource }

func resources(module *tfjson.StateModule) []resource {
	var found []resource
	for _, one := range module.Resources {
		if one.Mode == tfjson.ManagedResourceMode {
			found = append(found, resource{one})
		}
	}
	for _, child := range module.ChildModules {
		found = append(found, resources(child)...)
	}
	return found
}

func (r resource) text(name string) string {
	value, _ := r.AttributeValues[name].(string)
	return value
}

// is tells whether a value is known to be one; a bool may be written as text.
func (r resource) is(name string, want bool) bool {
	return fmt.Sprint(r.AttributeValues[name]) == fmt.Sprint(want)
}

// blocks are the nested blocks of a name.
func (r resource) blocks(name string) []map[string]any { return blocks(r.AttributeValues, name) }

func blocks(values map[string]any, name string) []map[string]any {
	var found []map[string]any
	list, _ := values[name].([]any)
	for _, one := range list {
		if block, ok := one.(map[string]any); ok {
			found = append(found, block)
		}
	}
	return found
}

func of(all []resource, kinds ...string) []resource {
	var found []resource
	for _, r := range all {
		if slices.Contains(kinds, r.Type) {
			found = append(found, r)
		}
	}
	return found
}

// about finds the resource of a kind that is about the bucket.
func about(all []resource, kind string, bucket resource) (resource, bool) {
	for _, r := range of(all, kind) {
		name := bucket.text("bucket")
		// Before the apply neither has an id; then they stand in one module.
		if r.text("bucket") == name && name != "" || r.text("bucket") == "" && module(r) == module(bucket) {
			return r, true
		}
	}
	return resource{}, false
}

func module(r resource) string { return strings.TrimSuffix(r.Address, r.Type+"."+r.Name) }

func publicBuckets(all []resource, _ Options, fault func(resource, string)) {
	for _, bucket := range of(all, "aws_s3_bucket") {
		closed, found := about(all, "aws_s3_bucket_public_access_block", bucket)
		if !found {
			fault(bucket, "has no aws_s3_bucket_public_access_block")
			continue
		}
		for _, way := range []string{"block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"} {
			if !closed.is(way, true) {
				fault(closed, way+" is not true")
			}
		}
	}
	for _, policy := range of(all, "aws_s3_bucket_policy") {
		for _, s := range statements(policy.text("policy")) {
			if s.Effect == "Allow" && s.Condition == nil && slices.Contains(s.principals(), "*") {
				fault(policy, "lets everybody in")
			}
		}
	}
	for _, acl := range of(all, "aws_s3_bucket_acl") {
		if strings.HasPrefix(acl.text("acl"), "public-") {
			fault(acl, "is "+acl.text("acl"))
		}
	}
}

func openIngress(all []resource, options Options, fault func(resource, string)) {
	everywhere := func(text any) bool { return text == "0.0.0.0/0" || text == "::/0" }
	for _, r := range all {
		if slices.Contains(options.Open, r.Address) {
			continue
		}
		var ranges []any
		switch r.Type {
		case "aws_vpc_security_group_ingress_rule":
			ranges = []any{r.AttributeValues["cidr_ipv4"], r.AttributeValues["cidr_ipv6"]}
		case "aws_security_group_rule":
			if r.text("type") == "ingress" {
				ranges = append(list(r.AttributeValues["cidr_blocks"]), list(r.AttributeValues["ipv6_cidr_blocks"])...)
			}
		case "aws_security_group", "aws_default_security_group":
			for _, rule := range r.blocks("ingress") {
				ranges = append(append(ranges, list(rule["cidr_blocks"])...), list(rule["ipv6_cidr_blocks"])...)
			}
		}
		if slices.ContainsFunc(ranges, everywhere) {
			fault(r, "lets everybody in")
		}
	}
}

func encryption(all []resource, _ Options, fault func(resource, string)) {
	for _, r := range all {
		switch r.Type {
		case "aws_s3_bucket":
			if _, found := about(all, "aws_s3_bucket_server_side_encryption_configuration", r); !found {
				fault(r, "has no aws_s3_bucket_server_side_encryption_configuration")
			}
		case "aws_db_instance":
			if !r.is("storage_encrypted", true) {
				fault(r, "storage_encrypted is not true")
			}
		case "aws_elasticache_replication_group":
			for _, what := range []string{"at_rest_encryption_enabled", "transit_encryption_enabled"} {
				if !r.is(what, true) {
					fault(r, what+" is not true")
				}
			}
		case "aws_sns_topic":
			if value, known := r.AttributeValues["kms_master_key_id"]; known && (value == nil || value == "") {
				fault(r, "has no key")
			}
		case "aws_ecr_repository":
			if len(r.blocks("encryption_configuration")) == 0 {
				fault(r, "has no encryption_configuration")
			}
		case "aws_cloudfront_distribution":
			for _, behaviour := range append(r.blocks("default_cache_behavior"), r.blocks("ordered_cache_behavior")...) {
				if behaviour["viewer_protocol_policy"] == "allow-all" {
					fault(r, "serves in the clear")
				}
			}
		case "aws_lb_listener":
			// Inside of the VPC HTTP is spoken: CloudFront comes by AWS's own network.
			if r.text("protocol") == "HTTP" && slices.ContainsFunc(of(all, "aws_lb"), func(lb resource) bool {
				return module(lb) == module(r) && lb.is("internal", false)
			}) {
				fault(r, "takes HTTP at a public load balancer")
			}
		}
	}
}

func logRetention(all []resource, _ Options, fault func(resource, string)) {
	for _, group := range of(all, "aws_cloudwatch_log_group") {
		if days, _ := group.AttributeValues["retention_in_days"].(float64); days == 0 {
			fault(group, "keeps its entries for ever")
		}
	}
}

// readOnly are the beginnings of actions that tell what there is and not what is in
// it. They may end in a star.
var readOnly = []string{"Describe", "List"}

func wildcards(all []resource, _ Options, fault func(resource, string)) {
	for _, r := range of(all, "aws_iam_policy", "aws_iam_role_policy", "aws_iam_user_policy", "aws_iam_group_policy") {
		for _, s := range statements(r.text("policy")) {
			if s.Effect != "Allow" {
				continue
			}
			if s.NotAction != nil || s.NotResource != nil {
				fault(r, "allows by what it leaves out")
			}
			if !slices.Contains(texts(s.Resource), "*") {
				continue
			}
			for _, action := range texts(s.Action) {
				_, verb, _ := strings.Cut(action, ":")
				harmless := slices.ContainsFunc(readOnly, func(start string) bool { return strings.HasPrefix(verb, start) })
				if strings.ContainsAny(action, "*?") && !harmless {
					fault(r, "allows "+action+" on everything")
				}
			}
		}
	}
	for _, r := range of(all, "aws_iam_role_policy_attachment") {
		for _, name := range []string{"AdministratorAccess", "PowerUserAccess", "IAMFullAccess"} {
			if strings.HasSuffix(r.text("policy_arn"), "/"+name) {
				fault(r, "gives "+name)
			}
		}
	}
}

func immutableImages(all []resource, _ Options, fault func(resource, string)) {
	for _, repository := range of(all, "aws_ecr_repository") {
		if repository.text("image_tag_mutability") != "IMMUTABLE" {
			fault(repository, "its tags can be moved")
		}
	}
	for _, definition := range of(all, "aws_ecs_task_definition") {
		var containers []struct{ Image string }
		if json.Unmarshal([]byte(definition.text("container_definitions")), &containers) != nil {
			continue // not known yet
		}
		for _, container := range containers {
			if !strings.Contains(container.Image, "@sha256:") {
				fault(definition, "runs "+container.Image+", which is no digest")
			}
		}
	}
}

func deletionProtection(all []resource, options Options, fault func(resource, string)) {
	if !options.Protected {
		return
	}
	for _, r := range all {
		switch r.Type {
		case "aws_db_instance":
			if !r.is("deletion_protection", true) {
				fault(r, "deletion_protection is not true")
			}
			if r.is("skip_final_snapshot", true) {
				fault(r, "leaves no last snapshot")
			}
		case "aws_lb":
			if !r.is("enable_deletion_protection", true) {
				fault(r, "enable_deletion_protection is not true")
			}
		case "aws_s3_bucket":
			if r.is("force_destroy", true) {
				fault(r, "can be destroyed with what is in it")
			}
		case "aws_ecr_repository":
			if r.is("force_delete", true) {
				fault(r, "can be destroyed with what is in it")
			}
		}
	}
}

func tags(all []resource, options Options, fault func(resource, string)) {
	for _, r := range all {
		// What can't have tags has no such value.
		value, can := r.AttributeValues["tags_all"]
		if !can {
			continue
		}
		has, _ := value.(map[string]any)
		for _, key := range options.Tags {
			if has[key] == nil || has[key] == "" {
				fault(r, "has no tag "+key)
			}
		}
	}
}

// secretValues are the attributes that hold a secret in the clear, by kind of
// resource. Write-only ones aren't among them: they are in no state.
var secretValues = map[string][]string{
	"aws_db_instance":                   {"password"},
	"aws_elasticache_replication_group": {"auth_token"},
	"aws_elasticache_user":              {"passwords"},
	"aws_iam_access_key":                {"secret", "id"},
	"aws_rds_cluster":                   {"master_password"},
	"aws_secretsmanager_secret_version": {"secret_string", "secret_binary"},
	"aws_ssm_parameter":                 {"value"},
}

func secrets(all []resource, _ Options, fault func(resource, string)) {
	for _, r := range all {
		for _, name := range secretValues[r.Type] {
			switch value := r.AttributeValues[name].(type) {
			case nil:
			case string:
				if value != "" {
					fault(r, name+" is in the state")
				}
			case []any:
				if len(value) > 0 {
					fault(r, name+" is in the state")
				}
			}
		}
		if r.Type == "aws_iam_access_key" || r.Type == "random_password" {
			fault(r, "is a secret that the state holds")
		}
	}
}

// statement is one of an IAM policy document. Fields may hold one text or a list.
type statement struct {
	Effect                                   string
	Action, NotAction, Resource, NotResource any
	Principal, Condition                     any
}

func (s statement) principals() []string {
	if who, ok := s.Principal.(map[string]any); ok {
		var found []string
		for _, one := range who {
			found = append(found, texts(one)...)
		}
		return found
	}
	return texts(s.Principal)
}

// statements of a policy; none where it isn't known.
func statements(document string) []statement {
	var policy struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(document), &policy) != nil {
		return nil
	}
	var many []statement
	if json.Unmarshal(policy.Statement, &many) == nil {
		return many
	}
	var one statement
	if json.Unmarshal(policy.Statement, &one) == nil {
		return []statement{one}
	}
	return nil
}

func texts(value any) []string {
	if text, ok := value.(string); ok {
		return []string{text}
	}
	var found []string
	for _, one := range list(value) {
		if text, ok := one.(string); ok {
			found = append(found, text)
		}
	}
	return found
}

func list(value any) []any {
	found, _ := value.([]any)
	return found
}
