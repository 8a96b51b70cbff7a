package balancer

import (
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

const lowest = math.MaxInt

type rule struct {
	priority   int
	fallback   bool
	conditions []types.RuleCondition
	actions    []types.Action
}

func parseRule(declared types.Rule) rule {
	r := rule{priority: lowest, conditions: declared.Conditions, actions: declared.Actions}
	if n, err := strconv.Atoi(value(declared.Priority)); err == nil {
		r.priority = n
	} else {
		r.fallback = true
	}
	return r
}

func (r rule) targetGroups() []string {
	var arns []string
	for _, action := range r.actions {
		for arn := range forwardGroups(action) {
			arns = append(arns, arn)
		}
	}
	return arns
}

// forwardGroups returns the weight of each target group of a forward action.
func forwardGroups(action types.Action) map[string]int {
	groups := map[string]int{}
	if action.Type != types.ActionTypeEnumForward {
		return groups
	}
	if action.ForwardConfig != nil {
		for _, tuple := range action.ForwardConfig.TargetGroups {
			weight := 1
			if tuple.Weight != nil {
				weight = int(*tuple.Weight)
			}
			groups[value(tuple.TargetGroupArn)] = weight
		}
	}
	if len(groups) == 0 && value(action.TargetGroupArn) != "" {
		groups[value(action.TargetGroupArn)] = 1
	}
	return groups
}

func pick(weights map[string]int) string {
	total, last := 0, ""
	for arn, weight := range weights {
		total, last = total+weight, arn
	}
	if len(weights) == 1 || total == 0 {
		return last
	}
	n := rand.IntN(total)
	for arn, weight := range weights {
		if n -= weight; n < 0 {
			return arn
		}
	}
	return last
}

// matches reports whether every condition of the rule holds. A condition of a
// kind that is not known here never holds, so that nothing is let through that
// the real rule might stop.
func (r rule) matches(request *http.Request) bool {
	return r.fallback || !slices.ContainsFunc(r.conditions, func(c types.RuleCondition) bool { return !holds(c, request) })
}

func holds(condition types.RuleCondition, r *http.Request) bool {
	anyOf := func(patterns []string, text string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool { return wildcard(pattern, text) })
	}
	values := func(configured []string) []string {
		if len(configured) > 0 {
			return configured
		}
		return condition.Values
	}
	switch value(condition.Field) {
	case "path-pattern":
		var configured []string
		if condition.PathPatternConfig != nil {
			configured = condition.PathPatternConfig.Values
		}
		return anyOf(values(configured), r.URL.Path)
	case "host-header":
		var configured []string
		if condition.HostHeaderConfig != nil {
			configured = condition.HostHeaderConfig.Values
		}
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		return slices.ContainsFunc(values(configured), func(pattern string) bool {
			return wildcard(strings.ToLower(pattern), strings.ToLower(host))
		})
	case "http-header":
		if condition.HttpHeaderConfig == nil {
			return false
		}
		return slices.ContainsFunc(r.Header.Values(value(condition.HttpHeaderConfig.HttpHeaderName)), func(text string) bool {
			return anyOf(condition.HttpHeaderConfig.Values, text)
		})
	case "http-request-method":
		return condition.HttpRequestMethodConfig != nil && slices.Contains(condition.HttpRequestMethodConfig.Values, r.Method)
	}
	return false
}

// wildcard matches * (any text) and ? (one character); nothing else is special.
func wildcard(pattern, text string) bool {
	escaped := strings.NewReplacer(`\`, `\\`, "[", `\[`, "/", "\x00").Replace(pattern)
	// path.Match stops * at slashes, which these patterns do not: the slashes
	// of both sides are replaced by a character that a path cannot hold.
	ok, err := path.Match(escaped, strings.ReplaceAll(text, "/", "\x00"))
	return err == nil && ok
}
