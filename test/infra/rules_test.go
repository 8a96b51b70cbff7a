package infra

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dop251/goja"
	"github.com/stretchr/testify/require"
)

func modules(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(shared.root, "modules"))
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	require.NotEmpty(t, names)
	return names
}

func TestModulesKeepTheirRules(t *testing.T) {
	t.Parallel()
	for _, name := range modules(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			takeTurn(t)
			e := terraformWithoutAWS(t)
			dir := copyOf(t, "modules/"+name)
			initialize(t, options(e, dir, nil))
			said, err := e.call(t.Context(), dir, "test", "-no-color")
			require.NoError(t, err, said)
			require.Regexp(t, `Success! [1-9][0-9]* passed, 0 failed`, said)
			require.NotContains(t, said, "Warning:")
		})
	}
}

func TestEverythingIsFormattedAndValid(t *testing.T) {
	t.Parallel()
	takeTurn(t)
	e := terraformWithoutAWS(t)
	for _, part := range []string{"modules", "envs"} {
		said, err := e.call(t.Context(), filepath.Join(shared.root, part), "fmt", "-check", "-recursive", "-diff")
		require.NoError(t, err, said)
	}
	for _, root := range []string{"envs/shared", "envs/dev", "envs/production"} {
		dir := copyOf(t, root)
		// As in the repository, with its cloud block.
		require.NoError(t, os.Remove(filepath.Join(dir, "override.tf")))
		lock, err := os.ReadFile(filepath.Join(dir, ".terraform.lock.hcl"))
		require.NoError(t, err)
		shared.init.Lock()
		said, err := e.call(t.Context(), dir, "init", "-backend=false", "-no-color", "-lockfile=readonly")
		shared.init.Unlock()
		require.NoError(t, err, said)
		said, err = e.call(t.Context(), dir, "validate", "-no-color")
		require.NoError(t, err, said)
		require.NotContains(t, said, "Warning:")
		kept, err := os.ReadFile(filepath.Join(dir, ".terraform.lock.hcl"))
		require.NoError(t, err)
		require.Equal(t, string(lock), string(kept), "the lock file has this platform's hashes")
	}
}

var (
	variableBlock = regexp.MustCompile(`(?ms)^variable "([a-z0-9_]+)" \{\n(.*?)^\}`)
	outputBlock   = regexp.MustCompile(`(?ms)^output "([a-z0-9_]+)" \{\n(.*?)^\}`)
)

// shownElsewhere are rules that no mocked provider can break, by module, and the test
// that breaks them on the emulator. Submodules with ephemeral blocks can't be mocked.
var shownElsewhere = map[string]string{
	"data/token: var.generation":                        "TestEnvironmentsRefuseWhatCannotBe",
	"ecs: aws_ecs_service.this":                         "TestECSExample",
	"ecs: aws_ecs_service.autoscaled":                   "TestECSExample",
	"ecs: check.the_newest_task_definition_is_deployed": "TestECSBlueGreenExample",
}

var (
	checkedBlock   = regexp.MustCompile(`(?ms)^(resource|data|output|check) "([a-z0-9_]+)"(?: "([a-z0-9_]+)")? \{\n(.*?)^\}`)
	checkedRule    = regexp.MustCompile(`(?m)^\s+(precondition|postcondition|assert) \{`)
	expectFailures = regexp.MustCompile(`(?s)expect_failures\s*=\s*\[(.*?)\]`)
)

// A rule that nobody has seen broken is a guess: every validation, precondition,
// postcondition and check of every module has a run that expects it to fail.
func TestEveryRuleHasAFailingCase(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, name := range modules(t) {
		dir := filepath.Join(shared.root, "modules", name)
		expected := map[string]int{} // runs that expect a failure, by the address of the rule's block
		suites, err := filepath.Glob(filepath.Join(dir, "tests", "*.tftest.hcl"))
		require.NoError(t, err)
		for _, suite := range suites {
			content, err := os.ReadFile(suite)
			require.NoError(t, err)
			for _, list := range expectFailures.FindAllStringSubmatch(string(content), -1) {
				for _, address := range strings.Split(list[1], ",") {
					expected[strings.TrimSpace(address)]++
				}
			}
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.tf"))
		require.NoError(t, err)
		inner, err := filepath.Glob(filepath.Join(dir, "*", "*.tf"))
		require.NoError(t, err)
		for _, file := range append(files, inner...) {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			module, err := filepath.Rel(filepath.Join(shared.root, "modules"), filepath.Dir(file))
			require.NoError(t, err)
			demand := func(address string, rules int) {
				if shownElsewhere[module+": "+address] != "" {
					shown[module+": "+address] = true
					return
				}
				require.GreaterOrEqual(t, expected[address], rules, "module %s, %s", module, address)
			}
			for _, block := range variableBlock.FindAllStringSubmatch(string(content), -1) {
				demand("var."+block[1], strings.Count(block[2], "validation {"))
			}
			for _, block := range checkedBlock.FindAllStringSubmatch(string(content), -1) {
				demand(map[string]string{
					"resource": block[2] + "." + block[3], "data": "data." + block[2] + "." + block[3],
					"output": "output." + block[2], "check": "check." + block[2],
				}[block[1]], len(checkedRule.FindAllString(block[4], -1)))
			}
		}
	}
	require.Len(t, shown, len(shownElsewhere), "each exception is of a rule that there is")
}

var (
	validationBlock = regexp.MustCompile(`(?ms)^  validation \{\n    condition .*?^    error_message`)
	suiteVariables  = regexp.MustCompile(`(?ms)^variables \{\n.*?^\}`)
	suiteRun        = regexp.MustCompile(`(?ms)^run "([a-z0-9_]+)" \{\n(.*?)^\}`)
	runVariables    = regexp.MustCompile(`(?ms)^  variables \{\n.*?^  \}`)
)

// Each validation is taken away, and the runs that expect its variable to be refused
// are tried again: one of them must find that nothing refuses it, or no run shows this
// rule. Variables alone are tried, without what is made of them, so that the values
// that are now let in break nothing else.
func TestEveryValidationHasACaseOfItsOwn(t *testing.T) {
	t.Parallel()
	takeTurn(t)
	e := terraformWithoutAWS(t)
	for _, name := range modules(t) {
		source := document(t, "modules", name, "variables.tf")
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, "tests"), 0o755))
		runs := map[string][]string{} // by the variable that they expect to be refused
		suites, err := filepath.Glob(filepath.Join(shared.root, "modules", name, "tests", "*.tftest.hcl"))
		require.NoError(t, err)
		for _, suite := range suites {
			content := document(t, "modules", name, "tests", filepath.Base(suite))
			for _, run := range suiteRun.FindAllStringSubmatch(content, -1) {
				expected := expectFailures.FindStringSubmatch(run[2])
				if expected == nil || !strings.HasPrefix(strings.TrimSpace(expected[1]), "var.") {
					continue
				}
				for _, address := range strings.Split(expected[1], ",") {
					runs[strings.TrimSpace(address)] = append(runs[strings.TrimSpace(address)], run[1])
				}
				// A suite of its own, as a run that fails ends its suite.
				alone := fmt.Sprintf("%s\nrun %q {\n  command = plan\n%s\n  %s\n}\n", suiteVariables.FindString(content), run[1], runVariables.FindString(run[2]), expected[0])
				require.NoError(t, os.WriteFile(filepath.Join(dir, "tests", run[1]+".tftest.hcl"), []byte(alone), 0o644))
			}
		}
		test := func(variables string) string {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "variables.tf"), []byte(variables), 0o644))
			said, _ := e.call(t.Context(), dir, "test", "-no-color")
			require.Regexp(t, `(?m)^(Success!|Failure!) `, said)
			return said
		}
		require.Contains(t, test(source), "Success!", name)
		for nth := 0; ; nth++ { // one of each variable at a time
			var weakened []string
			variables := variableBlock.ReplaceAllStringFunc(source, func(block string) string {
				variable := variableBlock.FindStringSubmatch(block)[1]
				found := validationBlock.FindAllStringIndex(block, -1)
				require.Len(t, found, strings.Count(block, "validation {"), "module %s, variable %s", name, variable)
				if nth >= len(found) {
					return block
				}
				weakened = append(weakened, variable)
				return block[:found[nth][0]] + "  validation {\n    condition     = can(var." + variable + ") || true\n    error_message" + block[found[nth][1]:]
			})
			if weakened == nil {
				break
			}
			said := test(variables)
			for _, variable := range weakened {
				if !slices.ContainsFunc(runs["var."+variable], func(run string) bool { return strings.Contains(said, `run "`+run+`"... fail`) }) {
					t.Errorf("module %s: no run breaks validation %d of variable %s, and no other of its", name, nth+1, variable)
				}
			}
		}
	}
}

func TestEveryInputAndOutputIsDescribed(t *testing.T) {
	t.Parallel()
	for _, name := range modules(t) {
		dir := filepath.Join(shared.root, "modules", name)
		readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
		require.NoError(t, err)
		for file, block := range map[string]*regexp.Regexp{"variables.tf": variableBlock, "outputs.tf": outputBlock} {
			content, err := os.ReadFile(filepath.Join(dir, file))
			require.NoError(t, err)
			found := block.FindAllStringSubmatch(string(content), -1)
			require.NotEmpty(t, found, "%s/%s", name, file)
			for _, one := range found {
				require.Contains(t, one[2], "description = ", "%s/%s: %s", name, file, one[1])
				require.Contains(t, string(readme), "`"+one[1]+"`", "README.md of %s lacks %s", name, one[1])
			}
		}
	}
}

// No part of the Terraform but a default and its value names a region, save the one
// in which CloudFront has its certificates and firewalls.
func TestOnlyTheVariableNamesARegion(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`(eu|us|ap|sa|ca|me|af)-(north|south|east|west|central)[a-z]*-[0-9]`)
	for _, pattern := range []string{"modules/*/*.tf", "envs/*/*.tf", "modules/*/*/*.tf"} {
		paths, err := filepath.Glob(filepath.Join(shared.root, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, paths)
		for _, path := range paths {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			for number, line := range strings.Split(string(content), "\n") {
				code, _, _ := strings.Cut(line, "#")
				told := strings.Contains(code, "description") || strings.Contains(code, "error_message")
				if told || strings.TrimSpace(code) == `default     = "eu-north-1"` {
					continue
				}
				require.NotRegexp(t, named, strings.ReplaceAll(code, "us-east-1", ""), "%s:%d", path, number+1)
			}
		}
	}
}

// captured is what the first group of a pattern holds in a file of the repository.
func captured(t *testing.T, pattern string, path ...string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(document(t, path...))
	require.NotNil(t, found, "%s in %s", pattern, filepath.Join(path...))
	return found[1]
}

// The browser's scenarios show that the page works under the service's policies; the
// distribution's, which stand before them, are the same.
func TestTheDistributionsPoliciesAreTheServices(t *testing.T) {
	t.Parallel()
	service := []string{"service", "internal", "api", "api.go"}
	page := captured(t, `const PagePolicy = "([^"]+)"`, service...)
	require.Contains(t, page, "default-src 'self'")
	require.Equal(t, page, captured(t, `default\s*= "(default-src [^"]+)"`, "modules", "frontend-cdn", "variables.tf"))
	require.Equal(t, captured(t, `const SandboxPolicy = "([^"]+)"`, service...), captured(t, `sandbox_policy\s*= "([^"]+)"`, "modules", "frontend-cdn", "main.tf"))
}

// The chain of times is one rule of the module ecs. Its ends are elsewhere: the service
// pings, and is told how long it may take to stop; CloudFront waits for the origin.
func TestTheChainOfTimesIsTheServicesAndTheDistributions(t *testing.T) {
	t.Parallel()
	times := func(name string) string {
		return captured(t, `(?s)variable "timeouts".*?`+name+`\s*= optional\(number, ([0-9]+)\)`, "modules", "ecs", "variables.tf")
	}
	require.Equal(t, captured(t, `timing\{(?:ping:\s*)?([0-9]+) \* time\.Second`, "service", "internal", "api", "socket.go"), times("ping"))
	require.Equal(t, captured(t, `"SHUTDOWN_GRACE", "([0-9]+)s"`, "service", "internal", "config", "config.go"), times("shutdown_grace"))
	require.Equal(t, captured(t, `read_timeout_seconds\s*= optional\(number, ([0-9]+)\)`, "modules", "frontend-cdn", "variables.tf"), times("origin_read"))
	// An environment gives both modules one number.
	for _, root := range []string{"dev", "production"} {
		require.Regexp(t, `(?s)timeouts\s*= local\.timeouts.*read_timeout_seconds = local\.timeouts\.origin_read`, document(t, "envs", root, "main.tf"))
	}
}

func TestSPAFunctionServesTheAppsRoutes(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(spaFunction())
	require.NoError(t, err)
	for uri, want := range map[string]string{
		"/":                          "/",
		"/index.html":                "/index.html",
		"/favicon.ico":               "/favicon.ico",
		"/robots.txt":                "/robots.txt",
		"/assets/index-Bx1.js":       "/assets/index-Bx1.js",
		"/assets/LICENSE":            "/assets/LICENSE",
		"/notebooks":                 "/index.html",
		"/notebooks/":                "/index.html",
		"/notebooks/0190-ab":         "/index.html",
		"/notebooks/v1.2/cells":      "/index.html",
		"/assets":                    "/index.html",
		"/healthy":                   "/index.html",
		"/sign-in":                   "/index.html",
		"/a%20b":                     "/index.html",
		"/notebooks/x/missing.css":   "/notebooks/x/missing.css",
		"/assets/../notebooks/a.png": "/assets/../notebooks/a.png",
	} {
		t.Run(uri, func(t *testing.T) {
			vm := goja.New()
			_, err := vm.RunString(string(source))
			require.NoError(t, err)
			handler, ok := goja.AssertFunction(vm.Get("handler"))
			require.True(t, ok)
			event := map[string]any{
				"context":  map[string]any{"eventType": "viewer-request"},
				"request":  map[string]any{"method": "GET", "uri": uri, "querystring": map[string]any{"q": map[string]any{"value": "1"}}},
				"response": nil,
			}
			result, err := handler(goja.Undefined(), vm.ToValue(event))
			require.NoError(t, err)
			request := result.Export().(map[string]any)
			require.Equal(t, want, request["uri"])
			require.Contains(t, request, "querystring", "the rest of the request stays")
		})
	}
}
