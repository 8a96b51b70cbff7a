package infra

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/gruntwork-io/terratest/modules/terraform"
	"github.com/stretchr/testify/require"
)

// What the suite is applied to. By default that is an emulator for each test; with
// AWS_TEST_REGION and AWS_TEST_PREFIX it is one real account, and nothing else in the
// tests knows which of the two it is. See aws.sh beside this file.
var (
	// region is where the tests apply; another is planned beside it.
	region = "eu-north-1"

	// account is the emulator's, whatever the keys.
	account = "123456789012"

	// image has a digest that no image has: nothing is pulled from an emulator.
	image = "123456789012.dkr.ecr.eu-north-1.amazonaws.com/reactive-notebook@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

	// prefix is what names begin with on a real account; "" on an emulator.
	prefix string

	// states is where a real account's states are kept until they are destroyed, so
	// that a killed run can be swept up after.
	states string
)

func onAWS() bool { return prefix != "" }

var prefixForm = regexp.MustCompile(`^[a-z][a-z0-9]{1,5}$`)

// chooseTarget reads the environment. A half-chosen account is an error: nothing is
// guessed where money is spent.
func chooseTarget(ctx context.Context) error {
	wanted, name := os.Getenv("AWS_TEST_REGION"), os.Getenv("AWS_TEST_PREFIX")
	if wanted == "" && name == "" {
		return nil
	}
	if wanted == "" || !prefixForm.MatchString(name) || os.Getenv("AWS_TEST_IMAGE") == "" || os.Getenv("AWS_TEST_STATES") == "" {
		return errors.New("a real account needs AWS_TEST_REGION, AWS_TEST_PREFIX (2 to 6 lower-case letters and digits), AWS_TEST_IMAGE (by digest) and AWS_TEST_STATES (a directory): use make test-aws")
	}
	region, prefix, image, states = wanted, name, os.Getenv("AWS_TEST_IMAGE"), os.Getenv("AWS_TEST_STATES")
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return fmt.Errorf("find AWS credentials: %w", err)
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return fmt.Errorf("ask AWS who this is: %w", err)
	}
	account = aws.ToString(who.Account)
	if allowed := os.Getenv("AWS_TEST_ACCOUNT"); allowed != account {
		return fmt.Errorf("the credentials are account %s's, and AWS_TEST_ACCOUNT is %q: they must agree", account, allowed)
	}
	return nil
}

// named is the name prefix that a directory's resources have: its own, shortened to
// what fits behind the account's.
func named(own string) string {
	if !onAWS() {
		return own
	}
	return prefix + "-" + strings.NewReplacer("reactive-notebook", "rn", "-example", "").Replace(own)
}

// nameOf is the default name prefix of a directory.
func nameOf(dir string) string {
	own := map[string]string{
		"envs/shared": "reactive-notebook", "envs/dev": "reactive-notebook-dev", "envs/production": "reactive-notebook-production",
		"modules/frontend-cdn": "cdn-example", "modules/ci-identity": "ci-example",
	}
	part, _, _ := strings.Cut(dir, "/examples/")
	if name, found := own[part]; found {
		return name
	}
	return filepath.Base(part) + "-example"
}

// targetVars adds what a real account needs of every directory's variables.
func targetVars(dir string, vars map[string]any) map[string]any {
	all := maps.Clone(vars)
	if all == nil {
		all = map[string]any{}
	}
	if !onAWS() {
		return all
	}
	for _, kind := range []string{"modules/", "envs/"} {
		if at := strings.LastIndex(dir, "/"+kind); at >= 0 {
			dir = dir[at+1:]
		}
	}
	if _, given := all["name_prefix"]; !given {
		all["name_prefix"] = named(nameOf(dir))
	}
	if _, given := all["image"]; !given && strings.HasPrefix(dir, "modules/ecs/") {
		all["image"] = image
	}
	if _, given := all["region"]; !given {
		all["region"] = region
	}
	return all
}

// onAWS leaves of an emulator's environment what Terraform needs anywhere, and tags
// everything with the run that made it.
func (e tools) onAWS() tools {
	env := map[string]string{"TF_CLI_CONFIG_FILE": e.Env["TF_CLI_CONFIG_FILE"], "TF_AWS_DEFAULT_TAGS_TestRun": prefix}
	return tools{Env: env, Terraform: e.Terraform}
}

func awsConfig(t *testing.T) aws.Config {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(region))
	require.NoError(t, err)
	return cfg
}

// workDir is where a directory is copied to and keeps its state.
func workDir(t *testing.T) string {
	t.Helper()
	if !onAWS() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(states, strings.ReplaceAll(t.Name(), "/", "-")+"-")
	require.NoError(t, err)
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(dir)
		}
	})
	return dir
}

// destroyAfterFailure takes down what a failed test has left in a real account; an
// emulator goes by itself.
func destroyAfterFailure(t *testing.T, o *terraform.Options) {
	t.Helper()
	if !onAWS() {
		return
	}
	t.Cleanup(func() {
		if t.Failed() {
			// The test's own context has ended.
			_, err := terraform.DestroyContextE(t, context.Background(), o)
			t.Logf("destroyed after the failure: %v", err)
		}
	})
}

// TestSweep destroys what killed runs on a real account have left, from the states
// that they have left. It is run by aws.sh after everything else, too.
func TestSweep(t *testing.T) {
	if !onAWS() || os.Getenv("AWS_TEST_SWEEP") == "" {
		t.Skip("there is nothing to sweep up: emulators go by themselves")
	}
	found, err := filepath.Glob(filepath.Join(states, "*", "*", "*", "terraform.tfstate"))
	require.NoError(t, err)
	deeper, err := filepath.Glob(filepath.Join(states, "*", "*", "*", "*", "*", "terraform.tfstate"))
	require.NoError(t, err)
	for _, state := range append(found, deeper...) {
		t.Run(filepath.Base(filepath.Dir(state)), func(t *testing.T) {
			o := options(startTarget(t), filepath.Dir(state), map[string]any{"protect": false})
			if !strings.Contains(state, "/envs/production/") {
				delete(o.Vars, "protect")
			}
			if strings.Contains(state, "/envs/") && !strings.Contains(state, "/envs/shared/") {
				o.Vars["image"] = image
			}
			initialize(t, o)
			terraform.DestroyContext(t, t.Context(), o)
			require.NoError(t, os.RemoveAll(filepath.Dir(state)))
		})
	}
}

// The choice of the target, as an operator meets it.
func TestAHalfChosenAccountIsRefused(t *testing.T) {
	for name, set := range map[string]map[string]string{
		"a region alone":    {"AWS_TEST_REGION": "eu-north-1"},
		"a prefix alone":    {"AWS_TEST_PREFIX": "t1"},
		"a prefix too long": {"AWS_TEST_REGION": "eu-north-1", "AWS_TEST_PREFIX": "test-run-one", "AWS_TEST_IMAGE": "i", "AWS_TEST_STATES": "s"},
		"without an image":  {"AWS_TEST_REGION": "eu-north-1", "AWS_TEST_PREFIX": "t1", "AWS_TEST_STATES": "s"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{"AWS_TEST_REGION", "AWS_TEST_PREFIX", "AWS_TEST_IMAGE", "AWS_TEST_STATES"} {
				t.Setenv(variable, set[variable])
			}
			require.ErrorContains(t, chooseTarget(t.Context()), "make test-aws")
		})
	}
}
