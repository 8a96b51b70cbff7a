package infra

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/rds"
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

	// nextImage is another one, to deploy in its place.
	nextImage = "registry.example.com/notebook@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

	// prefix is what names begin with on a real account; "" on an emulator.
	prefix string

	// zone is the id of a Route 53 zone on a real account, and domain its name: who asks
	// for a certificate must show that a name is theirs.
	zone, domain string

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
	if wanted == "" || !prefixForm.MatchString(name) {
		return errors.New("a real account needs AWS_TEST_REGION and AWS_TEST_PREFIX (2 to 6 lower-case letters and digits): use make test-aws")
	}
	asked := map[string]*string{
		"AWS_TEST_IMAGE": &image, "AWS_TEST_NEXT_IMAGE": &nextImage, "AWS_TEST_DOMAIN": &domain, "AWS_TEST_ZONE_ID": &zone, "AWS_TEST_STATES": &states,
	}
	for variable := range asked {
		if os.Getenv(variable) == "" {
			return fmt.Errorf("a real account needs %s: use make test-aws", variable)
		}
	}
	for variable, value := range asked {
		*value = os.Getenv(variable)
	}
	region, prefix = wanted, name
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

var namePrefix = regexp.MustCompile(`(?s)variable "name_prefix" \{.*?\n  default\s*= "([^"]+)"`)

// nameOf is the default name prefix of a directory.
func nameOf(place string) string {
	files, err := filepath.Glob(filepath.Join(shared.root, place, "*.tf"))
	for _, file := range files {
		content, readErr := os.ReadFile(file)
		err = errors.Join(err, readErr)
		if found := namePrefix.FindStringSubmatch(string(content)); found != nil {
			return found[1]
		}
	}
	panic(fmt.Sprintf("%s has no default of name_prefix: %v", place, err))
}

// placeOf is where in the repository a copy is from.
func placeOf(dir string) string {
	return dir[1+max(strings.LastIndex(dir, "/modules/"), strings.LastIndex(dir, "/envs/")):]
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
	dir = placeOf(dir)
	if _, given := all["name_prefix"]; !given {
		all["name_prefix"] = named(nameOf(dir))
	}
	if _, given := all["image"]; !given && strings.HasPrefix(dir, "modules/ecs/") {
		all["image"] = image
	}
	if _, given := all["region"]; !given {
		all["region"] = region
	}
	if dir == "modules/ecs/examples/complete" || dir == "modules/frontend-cdn/examples/complete" {
		all["domain_name"], all["zone_id"] = named(nameOf(dir))+"."+domain, zone
	}
	return all
}

// onAWS leaves of an emulator's environment what Terraform needs anywhere, and tags
// everything with the run that made it.
func (e tools) onAWS() tools {
	env := maps.Clone(e.Terraform.Env)
	env["TF_AWS_DEFAULT_TAGS_TestRun"] = prefix
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
func destroyAfterFailure(t *testing.T, o *terraform.Options, cfg aws.Config) {
	t.Helper()
	if !onAWS() {
		return
	}
	t.Cleanup(func() {
		if t.Failed() {
			// The test's own context has ended.
			t.Logf("destroyed after the failure: %v", destroy(context.Background(), t, o, cfg))
		}
	})
}

// destroy takes down what is in o's state, with the protection where there is one, and
// what that leaves. Each step is tried whatever became of the one before, as what stays
// is paid for.
func destroy(ctx context.Context, t *testing.T, o *terraform.Options, cfg aws.Config) error {
	t.Helper()
	all := *o
	all.Vars = maps.Clone(o.Vars)
	var lifted error
	if variables, err := os.ReadFile(filepath.Join(o.TerraformDir, "variables.tf")); err == nil && strings.Contains(string(variables), `variable "protect" {`) {
		all.Vars["protect"] = false
		lifted = liftProtection(ctx, t, &all)
	}
	_, destroyed := terraform.DestroyContextE(t, ctx, &all)
	return errors.Join(lifted, destroyed, forgetBackups(ctx, cfg, named(nameOf(placeOf(o.TerraformDir)))))
}

// protectable are the addresses of what may refuse to be destroyed.
var protectable = regexp.MustCompile(`(?m)^(?:module\.\S+\.)?aws_(?:db_instance|lb|s3_bucket)\.\S+$`)

// liftProtection applies o, which asks for no protection, to what may have one: what
// depends on it may have gone, and needn't come back.
func liftProtection(ctx context.Context, t *testing.T, o *terraform.Options) error {
	t.Helper()
	listed, err := terraform.RunTerraformCommandAndGetStdoutContextE(t, ctx, o, "state", "list")
	if err != nil {
		return fmt.Errorf("list the state: %w", err)
	}
	args := []string{"apply", "-auto-approve", "-input=false"}
	for _, address := range protectable.FindAllString(listed, -1) {
		args = append(args, "-target="+address)
	}
	if len(args) == 3 {
		return nil // without a target it would apply everything
	}
	said, err := toolsOf(o).call(ctx, o.TerraformDir, terraform.FormatArgs(o, args...)...)
	if err != nil {
		return fmt.Errorf("lift the protection: %w\n%s", err, said)
	}
	return nil
}

// forgetBackups deletes the last snapshot and the backups that RDS keeps of a database
// which has gone, if there was one by that name.
func forgetBackups(ctx context.Context, cfg aws.Config, database string) error {
	api := rds.NewFromConfig(cfg)
	snapshots, err := api.DescribeDBSnapshots(ctx, &rds.DescribeDBSnapshotsInput{DBInstanceIdentifier: &database, SnapshotType: aws.String("manual")})
	if err != nil {
		return fmt.Errorf("list the snapshots of %s: %w", database, err)
	}
	var failed []error
	for _, snapshot := range snapshots.DBSnapshots {
		if _, err := api.DeleteDBSnapshot(ctx, &rds.DeleteDBSnapshotInput{DBSnapshotIdentifier: snapshot.DBSnapshotIdentifier}); err != nil {
			failed = append(failed, fmt.Errorf("delete a snapshot of %s: %w", database, err))
		}
	}
	backups, err := api.DescribeDBInstanceAutomatedBackups(ctx, &rds.DescribeDBInstanceAutomatedBackupsInput{DBInstanceIdentifier: &database})
	if err != nil {
		return errors.Join(append(failed, fmt.Errorf("list the backups of %s: %w", database, err))...)
	}
	for _, backup := range backups.DBInstanceAutomatedBackups {
		if _, err := api.DeleteDBInstanceAutomatedBackup(ctx, &rds.DeleteDBInstanceAutomatedBackupInput{DbiResourceId: backup.DbiResourceId}); err != nil {
			failed = append(failed, fmt.Errorf("delete a backup of %s: %w", database, err))
		}
	}
	return errors.Join(failed...)
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
			e, vars := startTarget(t), map[string]any{}
			if place := placeOf(filepath.Dir(state)); place == "envs/dev" || place == "envs/production" {
				vars["image"] = image
			}
			o := options(e, filepath.Dir(state), vars)
			initialize(t, o)
			require.NoError(t, destroy(t.Context(), t, o, e.config(t)))
			require.NoError(t, os.RemoveAll(filepath.Dir(state)))
		})
	}
}

// A run that was killed has left its state and what it made; an emulator stands for
// the account, and this program, started again, is what sweeps.
func TestASweepDestroysWhatAKilledRunLeft(t *testing.T) {
	t.Parallel()
	takeTurn(t)
	e := startEmulator(t)
	empty := inventory(t, e.config(t))
	const place = "modules/ecr/examples/minimal"
	dir := copyOf(t, place)
	o := options(e, dir, map[string]any{"name_prefix": "t1-ecr-minimal"})
	initialize(t, o)
	terraform.ApplyContext(t, t.Context(), o)
	require.NotEqual(t, empty, inventory(t, e.config(t)))

	program, err := os.Executable()
	require.NoError(t, err)
	sweep := exec.CommandContext(t.Context(), program, "-test.run=^TestSweep$", "-test.v")
	sweep.Env = append(os.Environ(), "AWS_TEST_SWEEP=1", "AWS_TEST_REGION="+region, "AWS_TEST_PREFIX=t1", "AWS_TEST_ACCOUNT="+account,
		"AWS_TEST_IMAGE="+image, "AWS_TEST_NEXT_IMAGE="+nextImage, "AWS_TEST_DOMAIN=example.com", "AWS_TEST_ZONE_ID=Z1",
		"AWS_TEST_STATES="+filepath.Dir(strings.TrimSuffix(dir, "/"+place)))
	for name, value := range e.Env {
		sweep.Env = append(sweep.Env, name+"="+value)
	}
	said, err := sweep.CombinedOutput()
	require.NoError(t, err, "%s", said)
	require.Contains(t, string(said), "--- PASS: TestSweep/minimal")
	require.Equal(t, empty, inventory(t, e.config(t)))
	require.NoDirExists(t, dir)
}

// alone keeps the tests apart that make identity providers: an account has one of a
// host.
func alone(t *testing.T) {
	t.Helper()
	if onAWS() {
		shared.identities.Lock()
		t.Cleanup(shared.identities.Unlock)
	}
}

// The choice of the target, as an operator meets it.
func TestAHalfChosenAccountIsRefused(t *testing.T) {
	whole := map[string]string{
		"AWS_TEST_REGION": "eu-north-1", "AWS_TEST_PREFIX": "t1", "AWS_TEST_IMAGE": "i", "AWS_TEST_NEXT_IMAGE": "j",
		"AWS_TEST_DOMAIN": "example.com", "AWS_TEST_ZONE_ID": "Z1", "AWS_TEST_STATES": "s",
	}
	for missing := range whole {
		t.Run("without "+missing, func(t *testing.T) {
			for variable, value := range whole {
				t.Setenv(variable, value)
			}
			t.Setenv(missing, "")
			require.ErrorContains(t, chooseTarget(t.Context()), "make test-aws")
		})
	}
	t.Run("a prefix too long", func(t *testing.T) {
		for variable, value := range whole {
			t.Setenv(variable, value)
		}
		t.Setenv("AWS_TEST_PREFIX", "test-run-one")
		require.ErrorContains(t, chooseTarget(t.Context()), "2 to 6 lower-case letters")
	})
}
