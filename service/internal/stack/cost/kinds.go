package cost

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// estimate is the work on one set of plans. The sums that choices are made
// about are kept while the resources are priced.
type estimate struct {
	prices    prices
	region    region
	resources []resource
	report    Report

	nat       []float64 // USD a month, of each NAT gateway with its address
	endpoints float64   // USD a month, of all interface endpoints
	acls      float64   // USD a month, of all web ACLs
}

// free are the kinds that cost nothing by themselves, by the start of their names.
var free = []string{
	"aws_acm_", "aws_appautoscaling_", "aws_budgets_", "aws_cloudfront_", "aws_cloudwatch_log_delivery", "aws_cloudwatch_log_metric_filter",
	"aws_cloudwatch_log_resource_policy", "aws_cloudwatch_log_subscription_filter", "aws_codedeploy_", "aws_db_parameter_group", "aws_db_subnet_group",
	"aws_default_", "aws_ecr_lifecycle_policy", "aws_ecr_registry_", "aws_ecr_repository_policy", "aws_ecs_cluster", "aws_ecs_task_definition",
	"aws_egress_only_internet_gateway", "aws_elasticache_parameter_group", "aws_elasticache_subnet_group", "aws_elasticache_user",
	"aws_flow_log", "aws_iam_", "aws_internet_gateway", "aws_kms_alias", "aws_kms_key_policy", "aws_lb_listener", "aws_lb_target_group", "aws_main_route_table",
	"aws_network_acl", "aws_route53_record", "aws_route_table", "aws_s3_account_public_access_block", "aws_s3_bucket_", "aws_secretsmanager_secret_",
	"aws_security_group", "aws_sns_topic_", "aws_subnet", "aws_vpc_endpoint_", "aws_vpc_security_group_", "aws_wafv2_web_acl_",
	"terraform_data",
}

// freeKinds are those whose names begin like those of others that are not.
var freeKinds = []string{"aws_route", "aws_vpc"}

func (e *estimate) price(res resource) error {
	all, here := e.prices.Everywhere, e.region
	switch res.kind {
	case "aws_ecs_service":
		return e.tasks(res)
	case "aws_lb":
		what := "load balancer, internal"
		monthly := here.ALB * hours
		if !res.flag("internal") {
			zones := e.zones()
			what = fmt.Sprintf("load balancer with %d public addresses", zones)
			monthly += float64(zones) * all.PublicIPv4 * hours
		}
		e.add(res, monthly, fmt.Sprintf("%g USD an LCU-hour", here.LCU), "%s", what)
	case "aws_nat_gateway":
		e.nat = append(e.nat, (here.NAT+all.PublicIPv4)*hours)
		e.add(res, here.NAT*hours, fmt.Sprintf("%g USD a GB", here.NATGB), "NAT gateway")
	case "aws_eip":
		e.add(res, all.PublicIPv4*hours, "", "public IPv4 address")
	case "aws_vpc_endpoint":
		if res.text("vpc_endpoint_type") != "Interface" {
			return nil // gateway endpoints are free
		}
		zones := len(res.list("subnet_ids"))
		if zones == 0 { // known after apply
			zones = e.zones()
		}
		monthly := float64(zones) * here.Endpoint * hours
		e.endpoints += monthly
		e.add(res, monthly, fmt.Sprintf("%g USD a GB", here.EndpointGB), "interface endpoint in %d zones", zones)
	case "aws_db_instance":
		return e.database(res)
	case "aws_elasticache_replication_group":
		return e.valkey(res)
	case "aws_wafv2_web_acl":
		rules := len(res.list("rule"))
		monthly := all.ACL + float64(rules)*all.ACLRule
		e.acls += monthly
		e.add(res, monthly, fmt.Sprintf("%g USD a million requests", all.ACLRequests), "web ACL with %d rules", rules)
	case "aws_kms_key", "aws_kms_replica_key":
		e.add(res, all.Key, "", "key")
	case "aws_secretsmanager_secret":
		e.add(res, all.Secret, "", "secret")
	case "aws_cloudwatch_dashboard":
		e.add(res, all.Dashboard, "", "dashboard")
	case "aws_cloudwatch_metric_alarm", "aws_cloudwatch_composite_alarm":
		e.add(res, all.Alarm, "", "alarm")
	case "aws_appautoscaling_policy":
		if res.text("policy_type") == "TargetTrackingScaling" { // makes its alarms itself
			e.add(res, 2*all.Alarm, "", "two alarms that tasks follow")
		}
	case "aws_route53_zone":
		e.add(res, all.Zone, "", "hosted zone")
	case "aws_s3_bucket":
		e.add(res, 0, fmt.Sprintf("%g USD a GB-month", here.S3GB), "objects")
	case "aws_ecr_repository":
		e.add(res, 0, fmt.Sprintf("%g USD a GB-month", all.ImagesGB), "images")
	case "aws_cloudwatch_log_group":
		e.add(res, 0, fmt.Sprintf("%g USD a GB taken in", here.LogsGB), "logs")
	case "aws_flow_log":
		e.add(res, 0, fmt.Sprintf("%g USD a GB taken in", here.LogsGB), "flow logs")
	case "aws_cloudfront_distribution":
		e.add(res, 0, fmt.Sprintf("%g USD a GB to viewers in Europe", all.CloudFrontGB), "distribution")
	case "aws_sns_topic":
		e.add(res, 0, "mail and requests beyond the free ones", "topic")
	default:
		known := slices.Contains(freeKinds, res.kind) || slices.ContainsFunc(free, func(start string) bool { return strings.HasPrefix(res.kind, start) })
		if !known {
			e.report.Unknown = append(e.report.Unknown, res.address)
		}
	}
	return nil
}

// zones counts the availability zones that the plan has subnets in, 1 at least.
func (e *estimate) zones() int {
	seen := map[string]bool{}
	for _, res := range e.resources {
		if zone := res.text("availability_zone"); res.kind == "aws_subnet" && zone != "" {
			seen[zone] = true
		}
	}
	return max(len(seen), 1)
}

// tasks prices a service at the number of tasks that it always has.
func (e *estimate) tasks(res resource) error {
	definitions := e.of(res.module, "aws_ecs_task_definition")
	if len(definitions) == 0 {
		return fmt.Errorf("its task definition is not in the plan")
	}
	definition := definitions[0]
	cpu, memory := definition.number("cpu")/1024, definition.number("memory")/1024
	if cpu == 0 || memory == 0 {
		return fmt.Errorf("its task definition says no cpu and memory")
	}
	count := res.number("desired_count")
	for _, target := range e.of(res.module, "aws_appautoscaling_target") {
		count = target.number("min_capacity")
	}
	spot, sum := 0.0, 0.0
	for _, strategy := range res.blocks("capacity_provider_strategy") {
		weight := number(strategy["weight"])
		if sum += weight; strategy["capacity_provider"] == "FARGATE_SPOT" {
			spot += weight
		}
	}
	if sum > 0 {
		spot /= sum
	}
	arm := false
	for _, platform := range definition.blocks("runtime_platform") {
		arm = platform["cpu_architecture"] == "ARM64"
	}
	onDemand := func(arm bool) float64 {
		if arm {
			return (cpu*e.region.ARMCPU + memory*e.region.ARMMemory) * hours
		}
		return (cpu*e.region.X86CPU + memory*e.region.X86Memory) * hours
	}
	discount := 1 - spot*e.prices.Everywhere.SpotDiscount
	task := onDemand(arm) * discount
	what := fmt.Sprintf("%s of %g vCPU and %g GiB, %s", plural(count, "task"), cpu, memory, map[bool]string{true: "ARM64", false: "x86-64"}[arm])
	if spot > 0 {
		what += fmt.Sprintf(", %.0f %% on Spot", spot*100)
	}
	for _, network := range res.blocks("network_configuration") {
		if public, _ := network["assign_public_ip"].(bool); public {
			task += e.prices.Everywhere.PublicIPv4 * hours
			what += ", a public address each"
		}
	}
	e.add(res, count*task, "", "%s", what)

	if spot < 1 {
		e.choice(count*onDemand(arm)*(1-spot)*e.prices.Everywhere.SpotDiscount, "tasks on Spot, which AWS may take away at two minutes' notice")
	}
	if !arm {
		e.choice(count*(onDemand(false)-onDemand(true))*discount, "tasks on ARM64 in place of x86-64")
	}
	if count > 1 {
		e.choice((count-1)*task, "one task in place of %g, which is away while it is replaced after a failure", count)
	}
	if len(e.of(res.module, "aws_appautoscaling_scheduled_action")) == 0 {
		e.choice(count*task/2, "no tasks for twelve hours of the day, by a schedule")
	}
	return nil
}

func plural(count float64, word string) string {
	if count == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%g %ss", count, word)
}

func (e *estimate) database(res resource) error {
	class := res.text("instance_class")
	hourly, err := lookup(e.region.Database, class)
	if err != nil {
		return err
	}
	storage := res.number("allocated_storage")
	one := hourly*hours + storage*e.region.DatabaseGB
	monthly, what := one, "PostgreSQL"
	if res.flag("multi_az") {
		monthly, what = 2*one, "PostgreSQL in two zones"
		e.choice(one, "PostgreSQL in one zone, which is away for minutes when the zone fails")
	}
	e.add(res, monthly, "backups beyond the size of the database", "%s, %s, %g GB", what, class, storage)
	return nil
}

func (e *estimate) valkey(res resource) error {
	class := res.text("node_type")
	hourly, err := lookup(e.region.Valkey, class)
	if err != nil {
		return err
	}
	nodes := max(res.number("num_cache_clusters"), 1)
	e.add(res, nodes*hourly*hours, "", "Valkey, %s of %s", plural(nodes, "node"), class)
	if nodes > 1 {
		e.choice((nodes-1)*hourly*hours, "one Valkey node in place of %g, which is away while it is replaced after a failure", nodes)
	}
	return nil
}

func lookup(table map[string]float64, size string) (float64, error) {
	hourly, ok := table[size]
	if !ok {
		return 0, fmt.Errorf("there is no price for %q: the table has %s", size, strings.Join(slices.Sorted(maps.Keys(table)), ", "))
	}
	return hourly, nil
}

// compare weighs the choices that concern several resources.
func (e *estimate) compare() {
	sum := 0.0
	for _, gateway := range e.nat {
		sum += gateway
	}
	if len(e.nat) > 1 {
		e.choice(sum-e.nat[0], "one NAT gateway in place of %d, with which a failing zone takes the others' way out along", len(e.nat))
	}
	if len(e.nat) > 0 {
		addresses := 0.0
		for _, res := range e.resources {
			if res.kind == "aws_ecs_service" {
				addresses += math.Max(res.number("desired_count"), 1) * e.prices.Everywhere.PublicIPv4 * hours
			}
		}
		e.choice(sum-addresses, "no NAT gateway: tasks in public subnets with addresses of their own, closed to all but the load balancer")
	}
	e.choice(e.endpoints, "no interface endpoints: what goes to AWS leaves through the NAT gateway or a public address")
	e.choice(e.acls, "no web ACL")
}
