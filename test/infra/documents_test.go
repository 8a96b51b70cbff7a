package infra

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/gruntwork-io/terratest/modules/terraform"
	"github.com/stretchr/testify/require"
)

// document is the text of a file of the repository.
func document(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(append([]string{shared.root}, path...)...))
	require.NoError(t, err)
	return string(content)
}

var (
	testFunction = regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(t \*testing\.T\)`)
	testName     = regexp.MustCompile(`\bTest[A-Z]\w*`)
)

// A line of the checklist is as good as the test that it names, and each names one or
// says what can't be shown.
func TestTheChecklistNamesTestsThatThereAre(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	for _, part := range []string{"service", "test"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(shared.root, part), func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "node_modules":
				return filepath.SkipDir
			case !strings.HasSuffix(path, "_test.go"):
				return nil
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, found := range testFunction.FindAllStringSubmatch(string(content), -1) {
				declared[found[1]] = true
			}
			return nil
		}))
	}
	_, checklist, found := strings.Cut(document(t, "README.md"), "### The deployment checklist\n")
	require.True(t, found)
	checklist, _, _ = strings.Cut(checklist, "\n## ")
	lines := 0
	for line := range strings.Lines(checklist) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) != 3 || strings.HasPrefix(line, "| **") || strings.HasPrefix(line, "| line ") {
			continue
		}
		lines++
		named := testName.FindAllString(cells[2], -1)
		require.True(t, named != nil || strings.Contains(cells[2], "not here: ") || strings.Contains(cells[2], "not done here: "), "nothing shows: %s", line)
		for _, name := range named {
			require.True(t, declared[name], "the checklist names %s, which is no test", name)
		}
	}
	require.Equal(t, 49, lines, "as many as the plan has")
}

var (
	commandOnRoot = regexp.MustCompile(`terraform -chdir="?(envs/([a-z]+)|\$ROOT)"?( .*)`)
	givenVariable = regexp.MustCompile(`-var "?([a-z_]+)=`)
	readOutput    = regexp.MustCompile(`output -raw ([a-z_]+)`)
	commandStack  = regexp.MustCompile("go run \\./service/cmd/stack ([a-z]+)([^`#\n]*)")
	flagOf        = regexp.MustCompile(`--[a-z]+`)
	snakeCase     = regexp.MustCompile("`([a-z]+(?:_[a-z0-9]+)+)`")
	workflowValue = regexp.MustCompile(`\$\{\{ (?:vars|secrets)\.([A-Z_]+) \}\}`)
)

// Who goes to AWS by the README types what it says: every variable, output and flag in
// its commands, and in the workflow's, is there, and so is every name in its sentences.
func TestTheWayToAWSNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	roots := map[string]map[string]bool{} // names of variables and outputs
	all := map[string]bool{}
	note := func(root, text string) {
		if roots[root] == nil {
			roots[root] = map[string]bool{}
		}
		for _, block := range []*regexp.Regexp{variableBlock, outputBlock} {
			for _, found := range block.FindAllStringSubmatch(text, -1) {
				roots[root][found[1]], all[found[1]] = true, true
			}
		}
	}
	for _, root := range []string{"shared", "dev", "production"} {
		for _, file := range []string{"variables.tf", "outputs.tf"} {
			note(root, document(t, "envs", root, file))
		}
	}
	way, workflow := document(t, "envs", "README.md"), document(t, ".github", "workflows", "deploy.yml")
	commands := 0
	for _, text := range []string{way, workflow, document(t, "README.md")} {
		for _, command := range commandOnRoot.FindAllStringSubmatch(text, -1) {
			commands++
			on := []string{command[2]}
			if command[2] == "" {
				on = []string{"dev", "production"}
			}
			for _, root := range on {
				for _, name := range append(givenVariable.FindAllStringSubmatch(command[3], -1), readOutput.FindAllStringSubmatch(command[3], -1)...) {
					require.True(t, roots[root][name[1]], "envs/%s has no %s: %s", root, name[1], command[0])
				}
			}
		}
		for _, command := range commandStack.FindAllStringSubmatch(text, -1) {
			commands++
			help, err := exec.CommandContext(t.Context(), shared.stack, "help", command[1]).CombinedOutput()
			require.NoError(t, err)
			require.Contains(t, string(help), "stack "+command[1]+" ENV", "%s", command[0])
			for _, flag := range flagOf.FindAllString(command[2], -1) {
				require.Contains(t, string(help), flag, "%s", command[0])
			}
		}
	}
	require.Greater(t, commands, 15)

	// In sentences, besides the environments' own names: objects' fields and Terraform's.
	for _, field := range []string{"use_lockfile", "password_generation"} {
		all[field] = true
	}
	for _, name := range snakeCase.FindAllStringSubmatch(way, -1) {
		require.True(t, all[name[1]], "envs/README.md speaks of %s, which no environment has", name[1])
	}
	values := workflowValue.FindAllStringSubmatch(workflow, -1)
	require.NotEmpty(t, values)
	for _, value := range values {
		require.Contains(t, way, "`"+value[1]+"`", "deploy.yml needs it, envs/README.md doesn't say")
	}
}

// Without HCP Terraform: the very block that the README gives, in place of the cloud's.
func TestTheStateCanBeInABucket(t *testing.T) {
	t.Parallel()
	takeTurn(t)
	e := startEmulator(t)
	block := regexp.MustCompile("(?s)```hcl\n(terraform \\{\n  backend \"s3\".*?)```").FindStringSubmatch(document(t, "envs", "README.md"))
	require.NotNil(t, block)
	require.Contains(t, block[1], "use_lockfile = true")
	dir := copyOf(t, "envs/shared")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "override.tf"), []byte(strings.ReplaceAll(block[1], "YOUR-STATE-BUCKET", "states")), 0o644))
	key := regexp.MustCompile(`key\s*= "([^"]+)"`).FindStringSubmatch(block[1])[1]

	files := s3.NewFromConfig(e.config(t), func(o *s3.Options) { o.UsePathStyle = true })
	_, err := files.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: aws.String("states"), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(region)},
	})
	require.NoError(t, err)
	o := options(e, dir, nil)
	initialize(t, o)
	keys := func() (found []string) {
		listed, err := files.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("states")})
		require.NoError(t, err)
		for _, object := range listed.Contents {
			found = append(found, *object.Key)
		}
		return found
	}
	terraform.ApplyContext(t, t.Context(), o)
	require.Equal(t, []string{key}, keys(), "the state, and no lock after the apply")

	// While somebody else holds the lock nothing is applied.
	_, err = files.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("states"), Key: aws.String(key + ".tflock"), Body: strings.NewReader(`{"ID": "0190-ab", "Who": "somebody@else"}`)})
	require.NoError(t, err)
	said, err := e.call(t.Context(), dir, "plan", "-input=false", "-no-color")
	require.Error(t, err)
	require.Contains(t, said, "Error acquiring the state lock")
	require.Contains(t, said, "somebody@else")
}
