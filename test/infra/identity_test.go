package infra

import (
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/gruntwork-io/terratest/modules/terraform"
	"github.com/stretchr/testify/require"
)

func TestCIIdentityExample(t *testing.T) {
	t.Parallel()
	alone(t)
	applied(t, "modules/ci-identity/examples/complete", nil, func(o *terraform.Options, cfg aws.Config) {
		api := iam.NewFromConfig(cfg)
		for role, subject := range map[string]string{
			named("ci-example") + "-hcp-dev-plan":             "organization:example:project:Default Project:workspace:" + named("ci-example") + "-dev:run_phase:plan",
			named("ci-example") + "-hcp-production-apply":     "organization:example:project:Default Project:workspace:" + named("ci-example") + "-production:run_phase:apply",
			named("ci-example") + "-github-build":             "repo:example/notebooks:environment:build",
			named("ci-example") + "-github-deploy-production": "repo:example/notebooks:environment:production",
		} {
			found, err := api.GetRole(t.Context(), &iam.GetRoleInput{RoleName: &role})
			require.NoError(t, err)
			trust, err := url.QueryUnescape(*found.Role.AssumeRolePolicyDocument)
			require.NoError(t, err)
			require.Contains(t, trust, `"`+subject+`"`, role)
			require.NotContains(t, trust, "StringLike", role)
		}
		attached := func(role string) (names []string) {
			found, err := api.ListAttachedRolePolicies(t.Context(), &iam.ListAttachedRolePoliciesInput{RoleName: &role})
			require.NoError(t, err)
			for _, policy := range found.AttachedPolicies {
				names = append(names, *policy.PolicyName)
			}
			return names
		}
		require.Equal(t, []string{named("ci-example") + "-dev-ci-read"}, attached(named("ci-example")+"-hcp-dev-plan"))
		// A role holds ten managed policies, if nobody has asked for more.
		require.Len(t, attached(named("ci-example")+"-hcp-dev-apply"), 7)
		require.NotContains(t, attached(named("ci-example")+"-hcp-dev-apply"), named("ci-example")+"-production-ci-data")

		providers, err := api.ListOpenIDConnectProviders(t.Context(), &iam.ListOpenIDConnectProvidersInput{})
		require.NoError(t, err)
		require.Len(t, providers.OpenIDConnectProviderList, 2)
	})
}
