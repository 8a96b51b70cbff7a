// Package cost tells what a Terraform plan will cost in a month, resource by
// resource, and what other choices would save.
//
// It is not a bill: it counts what is paid for standing there, names what is
// paid by use, and knows list prices of one day (prices.json). Its invariant: a
// resource is either priced, known to be free, or said to be unknown to the
// table; none is left out in silence.
package cost

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

// hours of a month, as AWS's own calculator counts them.
const hours = 730

//go:embed prices.json
var pricesJSON []byte

// prices are in USD; a share is between 0 and 1.
type prices struct {
	AsOf       string   `json:"as_of"`
	Note       string   `json:"note"`
	Sources    []string `json:"sources"`
	Everywhere struct {
		SpotDiscount float64 `json:"fargate_spot_discount"` // share of the on-demand price
		PublicIPv4   float64 `json:"public_ipv4_hour"`
		ACL          float64 `json:"waf_acl_month"`
		ACLRule      float64 `json:"waf_rule_month"`
		ACLRequests  float64 `json:"waf_million_requests"`
		Key          float64 `json:"kms_key_month"`
		Secret       float64 `json:"secret_month"`
		Dashboard    float64 `json:"dashboard_month"`
		Alarm        float64 `json:"alarm_month"`
		Zone         float64 `json:"hosted_zone_month"`
		ImagesGB     float64 `json:"ecr_gb_month"`
		CloudFrontGB float64 `json:"cloudfront_gb"`
	} `json:"everywhere"`
	Regions map[string]region `json:"regions"`
}

type region struct {
	Name       string             `json:"name"`
	X86CPU     float64            `json:"fargate_x86_vcpu_hour"`
	X86Memory  float64            `json:"fargate_x86_gib_hour"`
	ARMCPU     float64            `json:"fargate_arm_vcpu_hour"`
	ARMMemory  float64            `json:"fargate_arm_gib_hour"`
	ALB        float64            `json:"alb_hour"`
	LCU        float64            `json:"alb_lcu_hour"`
	NAT        float64            `json:"nat_hour"`
	NATGB      float64            `json:"nat_gb"`
	Endpoint   float64            `json:"endpoint_hour"` // in one availability zone
	EndpointGB float64            `json:"endpoint_gb"`
	LogsGB     float64            `json:"logs_gb"` // taken in
	S3GB       float64            `json:"s3_gb_month"`
	DatabaseGB float64            `json:"rds_gb_month"` // gp3 in one availability zone
	Database   map[string]float64 `json:"rds_hour"`     // PostgreSQL in one availability zone
	Valkey     map[string]float64 `json:"valkey_hour"`  // a node
}

// Line is what one resource costs.
type Line struct {
	Resource string  `json:"resource"`         // its address in the plan
	What     string  `json:"what"`             // what is paid for
	Monthly  float64 `json:"monthly"`          // USD for 730 hours, without what is paid by use
	ByUse    string  `json:"by_use,omitempty"` // what use costs on top
}

// Choice is another way to have it.
type Choice struct {
	Text  string  `json:"text"`
	Saves float64 `json:"saves"` // USD a month
}

// Report is the monthly cost of a plan.
type Report struct {
	Region  string   `json:"region"`
	AsOf    string   `json:"prices_as_of"`
	Lines   []Line   `json:"resources"` // dearest first
	Total   float64  `json:"monthly"`   // USD
	Choices []Choice `json:"choices"`   // by what they save; they may exclude each other
	Unknown []string `json:"unknown"`   // addresses of resources that the table doesn't know
}

// Prices says what the prices are and where they come from.
func Prices() (string, error) {
	p, err := read()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Prices of %s. %s Sources: %s", p.AsOf, p.Note, strings.Join(p.Sources, ", ")), nil
}

func read() (p prices, err error) {
	if err := json.Unmarshal(pricesJSON, &p); err != nil {
		return prices{}, fmt.Errorf("read the prices: %w", err)
	}
	return p, nil
}

// Estimate prices what stands once all the plans are applied, which are of
// roots in one region. It fails for a region or a size without a price.
func Estimate(regionCode string, plans ...*tfjson.Plan) (Report, error) {
	p, err := read()
	if err != nil {
		return Report{}, err
	}
	r, ok := p.Regions[regionCode]
	if !ok {
		return Report{}, fmt.Errorf("there are no prices for region %q: the table has %s", regionCode, strings.Join(slices.Sorted(maps.Keys(p.Regions)), " and "))
	}
	e := &estimate{prices: p, region: r, report: Report{
		Region: regionCode, AsOf: p.AsOf, Lines: []Line{}, Choices: []Choice{}, Unknown: []string{},
	}}
	for _, plan := range plans {
		if plan.PlannedValues != nil && plan.PlannedValues.RootModule != nil {
			e.collect(plan.PlannedValues.RootModule)
		}
	}
	for _, res := range e.resources {
		if err := e.price(res); err != nil {
			return Report{}, fmt.Errorf("price %s: %w", res.address, err)
		}
	}
	e.compare()
	slices.SortStableFunc(e.report.Lines, func(a, b Line) int { return cmp.Compare(b.Monthly, a.Monthly) })
	slices.SortStableFunc(e.report.Choices, func(a, b Choice) int { return cmp.Compare(b.Saves, a.Saves) })
	total := 0.0
	for _, line := range e.report.Lines {
		total += line.Monthly
	}
	e.report.Total = cents(total)
	return e.report, nil
}

func cents(usd float64) float64 { return math.Round(usd*100) / 100 }

// resource is one managed resource of a plan. A value that is known only after
// the apply is missing.
type resource struct {
	address string
	module  string // the address of the module that it is in, "" for the root
	kind    string
	values  map[string]any
}

func (r resource) text(name string) string {
	text, _ := r.values[name].(string)
	return text
}

func (r resource) flag(name string) bool {
	set, _ := r.values[name].(bool)
	return set
}

func (r resource) number(name string) float64 { return number(r.values[name]) }

// number reads numbers, and numbers in text as task definitions have them.
func number(value any) float64 {
	switch value := value.(type) {
	case float64:
		return value
	case json.Number:
		f, _ := value.Float64() // JSON has checked it
		return f
	case string:
		f, err := json.Number(value).Float64()
		if err != nil {
			return 0
		}
		return f
	}
	return 0
}

func (r resource) list(name string) []any {
	list, _ := r.values[name].([]any)
	return list
}

func (r resource) blocks(name string) []map[string]any {
	var blocks []map[string]any
	for _, item := range r.list(name) {
		if block, ok := item.(map[string]any); ok {
			blocks = append(blocks, block)
		}
	}
	return blocks
}

func (e *estimate) collect(module *tfjson.StateModule) {
	for _, res := range module.Resources {
		if res.Mode == tfjson.ManagedResourceMode {
			e.resources = append(e.resources, resource{address: res.Address, module: module.Address, kind: res.Type, values: res.AttributeValues})
		}
	}
	for _, child := range module.ChildModules {
		e.collect(child)
	}
}

// of lists the resources of a kind in a module.
func (e *estimate) of(module, kind string) []resource {
	return slices.DeleteFunc(slices.Clone(e.resources), func(r resource) bool { return r.module != module || r.kind != kind })
}

func (e *estimate) add(res resource, monthly float64, byUse, what string, args ...any) {
	e.report.Lines = append(e.report.Lines, Line{Resource: res.address, What: fmt.Sprintf(what, args...), Monthly: cents(monthly), ByUse: byUse})
}

func (e *estimate) choice(saves float64, text string, args ...any) {
	if saves = cents(saves); saves > 0 {
		e.report.Choices = append(e.report.Choices, Choice{Text: fmt.Sprintf(text, args...), Saves: saves})
	}
}
