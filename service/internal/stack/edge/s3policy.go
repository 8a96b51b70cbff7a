package edge

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/aws/smithy-go"
)

// bucketPolicy is as much of IAM as decides whether CloudFront, signing by an
// origin access control, may read an object. What it does not understand it
// takes as a refusal.
type bucketPolicy struct {
	Statement oneOrMany[statement]
}

type statement struct {
	Effect       string
	Principal    json.RawMessage
	NotPrincipal json.RawMessage
	Action       oneOrMany[string]
	NotAction    oneOrMany[string]
	Resource     oneOrMany[string]
	NotResource  oneOrMany[string]
	Condition    map[string]map[string]oneOrMany[string]
}

// oneOrMany is IAM's habit to write a list of one without brackets.
type oneOrMany[T any] []T

func (o *oneOrMany[T]) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]T)(o))
	}
	var one T
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*o = []T{one}
	return nil
}

func parsePolicy(text string) (*bucketPolicy, error) {
	var policy bucketPolicy
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		return nil, fmt.Errorf("read it: %w", err)
	}
	return &policy, nil
}

// allows reports whether the distribution may do the action on the resource.
func (p *bucketPolicy) allows(action, resource, distributionARN string) bool {
	if p == nil {
		return false
	}
	allowed := false
	for _, s := range p.Statement {
		known, applies := s.applies(action, resource, distributionARN)
		switch {
		case s.Effect == "Deny" && (applies || !known):
			return false
		case s.Effect == "Allow" && known && applies:
			allowed = true
		}
	}
	return allowed
}

// applies reports whether the statement is about such a request; known is
// false when it says something that is not understood here.
func (s statement) applies(action, resource, distributionARN string) (known, applies bool) {
	if s.NotPrincipal != nil || s.NotAction != nil || s.NotResource != nil {
		return false, false
	}
	if !s.aboutCloudFront() || !anyMatch(s.Action, action, true) || !anyMatch(s.Resource, resource, false) {
		return true, false
	}
	for operator, conditions := range s.Condition {
		for key, values := range conditions {
			var have string
			switch strings.ToLower(key) {
			case "aws:sourcearn":
				have = distributionARN
			case "aws:sourceaccount":
				if parts := strings.Split(distributionARN, ":"); len(parts) > 4 {
					have = parts[4]
				}
			case "aws:securetransport":
				have = "true" // CloudFront signs requests over HTTPS only
			default:
				return false, false
			}
			switch operator {
			case "StringEquals", "Bool":
				if !contains(values, have) {
					return true, false
				}
			case "StringNotEquals":
				if contains(values, have) {
					return true, false
				}
			case "ArnEquals", "ArnLike", "StringLike":
				if !anyMatch(values, have, false) {
					return true, false
				}
			default:
				return false, false
			}
		}
	}
	return true, true
}

func (s statement) aboutCloudFront() bool {
	var everybody string
	if json.Unmarshal(s.Principal, &everybody) == nil {
		return everybody == "*"
	}
	var kinds map[string]oneOrMany[string]
	if json.Unmarshal(s.Principal, &kinds) != nil {
		return false
	}
	return contains(kinds["Service"], "cloudfront.amazonaws.com") || contains(kinds["AWS"], "*")
}

func contains(list []string, text string) bool {
	for _, item := range list {
		if item == text {
			return true
		}
	}
	return false
}

func anyMatch(patterns []string, text string, foldCase bool) bool {
	const slash = "\x00"
	if foldCase {
		text = strings.ToLower(text)
	}
	for _, pattern := range patterns {
		if foldCase {
			pattern = strings.ToLower(pattern)
		}
		pattern = strings.NewReplacer(`\`, `\\`, "[", `\[`, "/", slash).Replace(pattern)
		if ok, err := path.Match(pattern, strings.ReplaceAll(text, "/", slash)); err == nil && ok {
			return true
		}
	}
	return false
}

// isCode reports whether an AWS API answered with one of the error codes.
func isCode(err error, codes ...string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && contains(codes, api.ErrorCode())
}
