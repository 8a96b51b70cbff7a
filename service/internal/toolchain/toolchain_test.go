package toolchain

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// machine is a checkout on a machine whose PATH holds only what the test puts
// there: small programs that note each call in calls.
type machine struct {
	*testing.T
	root, bin, calls string
	said             []string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{T: t, root: filepath.Join(dir, "checkout"), bin: filepath.Join(dir, "bin"), calls: filepath.Join(dir, "calls")}
	m.write("service/requirements.txt", "pandas==1\n")
	m.write("frontend/package-lock.json", "{}")
	m.write("frontend/src/main.ts", "1")
	m.write("envs/shared/.terraform.lock.hcl", "provider \"registry.terraform.io/hashicorp/aws\" {\n  version     = \"5.100.0\"\n}\n")
	require.NoError(t, os.MkdirAll(m.bin, 0o755))
	t.Setenv("PATH", m.bin)
	t.Setenv("CALLS", m.calls)
	t.Setenv("TF_PLUGIN_MIRROR", "")
	t.Setenv("CHROMIUM", "")
	return m
}

func (m *machine) write(name, content string) {
	m.Helper()
	path := filepath.Join(m.root, name)
	require.NoError(m, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(m, os.WriteFile(path, []byte(content), 0o644))
}

// program puts a program on PATH.
func (m *machine) program(name, script string) {
	m.Helper()
	text := "#!/bin/sh\nPATH=/usr/bin:/bin\necho " + name + " \"$@\" >> \"$CALLS\"\n" + script + "\n"
	require.NoError(m, os.WriteFile(filepath.Join(m.bin, name), []byte(text), 0o755))
}

func (m *machine) node(version string) {
	m.program("node", "echo v"+version)
	m.program("npm", `case "$1" in
ci) mkdir -p node_modules ;;
run) if [ -n "$FAIL_BUILD" ]; then echo "error: a type is wrong" >&2; exit 2; fi; mkdir -p dist; echo page > dist/index.html ;;
esac`)
}

func (m *machine) tools() *Toolchain {
	return New(m.root, func(line string) { m.said = append(m.said, line) }, io.Discard)
}

// called counts the calls of a program since the last time.
func (m *machine) called(prefix string) int {
	m.Helper()
	data, err := os.ReadFile(m.calls)
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(m, err)
	}
	require.NoError(m, os.RemoveAll(m.calls))
	n := 0
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

func TestVersionsCompareByNumber(t *testing.T) {
	for _, c := range []struct {
		version, minimum string
		want             bool
	}{
		{"1.26.8", "1.26", true}, {"1.26", "1.26", true}, {"1.9", "1.26", false}, {"2.0", "1.26", true},
		{"20.20.2", "20.19", true}, {"20.3.0", "20.19", false}, {"3.11", "3.11", true}, {"1", "1.11", false},
	} {
		require.Equal(t, c.want, atLeast(c.version, c.minimum), "%s against %s", c.version, c.minimum)
	}
}

func TestMissingToolsAreNamedWithTheVersionNeeded(t *testing.T) {
	m := newMachine(t)
	ctx := context.Background()
	require.EqualError(t, m.tools().Go(ctx), "go is missing: install Go 1.26 or newer, https://go.dev/dl")
	require.EqualError(t, m.tools().Node(ctx), "node is missing: install Node.js 20.19 or newer, https://nodejs.org")
	m.program("go", "echo go1.21.3")
	require.EqualError(t, m.tools().Go(ctx), "go on PATH is version 1.21.3: install Go 1.26 or newer, https://go.dev/dl")
	m.node("18.1.0")
	require.EqualError(t, m.tools().Node(ctx), "node on PATH is version 18.1.0: install Node.js 20.19 or newer, https://nodejs.org")
	m.node("20.20.2")
	require.NoError(t, m.tools().Node(ctx))
	require.NoError(t, os.Remove(filepath.Join(m.bin, "npm")))
	require.ErrorContains(t, m.tools().Node(ctx), "npm is missing")
}

func TestNpmPackagesAreInstalledOncePerLockFile(t *testing.T) {
	m := newMachine(t)
	m.node("22.0.0")
	install := func() int {
		require.NoError(t, m.tools().NodeModules(context.Background(), "frontend"))
		return m.called("npm ci")
	}
	require.Equal(t, 1, install())
	require.Equal(t, 0, install())
	m.write("frontend/package-lock.json", `{"changed":true}`)
	require.Equal(t, 1, install())
	require.NoError(t, os.RemoveAll(filepath.Join(m.root, "frontend", "node_modules")))
	require.Equal(t, 1, install())
	require.Equal(t, []string{"installing the npm packages of frontend", "installing the npm packages of frontend", "installing the npm packages of frontend"}, m.said)
}

func TestPageIsBuiltWhenItsSourcesChange(t *testing.T) {
	m := newMachine(t)
	m.node("22.0.0")
	build := func() int {
		dist, err := m.tools().Page(context.Background())
		require.NoError(t, err)
		require.FileExists(t, filepath.Join(dist, "index.html"))
		return m.called("npm run build")
	}
	require.Equal(t, 1, build())
	require.Equal(t, 0, build())
	m.write("frontend/src/main.ts", "2")
	require.Equal(t, 1, build())
	m.write("frontend/src/other.ts", "")
	require.Equal(t, 1, build())
	require.NoError(t, os.Remove(filepath.Join(m.root, "frontend", "dist", "index.html")))
	require.Equal(t, 1, build())
	t.Setenv("VITE_API_BASE_URL", "https://api.example")
	require.Equal(t, 1, build())
}

func TestFailedBuildSaysWhyAndIsTriedAgain(t *testing.T) {
	m := newMachine(t)
	m.node("22.0.0")
	t.Setenv("FAIL_BUILD", "1")
	_, err := m.tools().Page(context.Background())
	require.ErrorContains(t, err, "build the page: npm: exit status 2: error: a type is wrong")
	require.NoError(t, os.Unsetenv("FAIL_BUILD"))
	_, err = m.tools().Page(context.Background())
	require.NoError(t, err)
}

func TestStepsOfTwoProgramsDoNotMix(t *testing.T) {
	m := newMachine(t)
	unlock, err := m.tools().lock(context.Background(), "npm-frontend")
	require.NoError(t, err)
	m.node("22.0.0")
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, m.tools().NodeModules(ctx, "frontend"), context.DeadlineExceeded)
	unlock()
	require.NoError(t, m.tools().NodeModules(context.Background(), "frontend"))
}

const terraformScript = `echo '{"terraform_version": "%s"}'`

func TestTerraformOnPathWithAMirrorIsUsed(t *testing.T) {
	m := newMachine(t)
	m.program("terraform", strings.Replace(terraformScript, "%s", "1.13.2", 1))
	mirror := filepath.Join(t.TempDir(), "mirror")
	t.Setenv("TF_PLUGIN_MIRROR", mirror)
	_, err := m.tools().Terraform(context.Background())
	require.ErrorContains(t, err, "TF_PLUGIN_MIRROR names "+mirror)

	require.NoError(t, os.MkdirAll(filepath.Join(mirror, "registry.terraform.io", "hashicorp", "aws", "5.100.0", runtime.GOOS+"_"+runtime.GOARCH), 0o755))
	terraform, err := m.tools().Terraform(context.Background())
	require.NoError(t, err)
	require.Equal(t, filepath.Join(m.bin, "terraform"), terraform.Path)
	require.Equal(t, mirror, terraform.Mirror)
	config, err := os.ReadFile(terraform.Config)
	require.NoError(t, err)
	require.Contains(t, string(config), `path    = "`+mirror+`"`)
	require.NotContains(t, string(config), "plugin_cache_dir")
}

func TestMirrorIsFoundNearTheTopAndNotDeeper(t *testing.T) {
	root := t.TempDir()
	const provider = "registry.terraform.io/hashicorp/aws/5.100.0/linux_amd64"
	deep := filepath.Join(root, "a", "b", "c")
	require.NoError(t, os.MkdirAll(filepath.Join(deep, provider), 0o755))
	require.Equal(t, deep, search(root, provider, 3))
	require.Empty(t, search(root, provider, 2))
	near := filepath.Join(root, "z")
	require.NoError(t, os.MkdirAll(filepath.Join(near, provider), 0o755))
	require.Equal(t, near, search(root, provider, 3), "nearest first")
	require.Empty(t, search(filepath.Join(root, "absent"), provider, 3))
}

// realPython is an interpreter of this machine; the tests make real virtual
// environments with it and only the index is out of reach.
func (m *machine) realPython() {
	m.Helper()
	for _, name := range []string{"python3.13", "python3.12", "python3.11", "python3"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		out, err := exec.Command(path, "-c", "import sys, venv; assert sys.version_info >= (3, 11); print(sys.executable)").Output()
		if err == nil {
			require.NoError(m, os.Symlink(strings.TrimSpace(string(out)), filepath.Join(m.bin, "python3")))
			return
		}
	}
	m.Skip("no Python 3.11 or newer with venv is on PATH")
}

func withPath(m *machine, use func()) {
	path := os.Getenv("PATH")
	require.NoError(m, os.Setenv("PATH", "/usr/local/bin:/usr/bin:/bin:"+originalPath))
	use()
	require.NoError(m, os.Setenv("PATH", path))
}

var originalPath = os.Getenv("PATH")

func TestPythonWithoutAnIndexSaysWhatIsMissingAndGoesOn(t *testing.T) {
	m := newMachine(t)
	withPath(m, m.realPython)
	t.Setenv("PIP_INDEX_URL", "http://127.0.0.1:9")
	t.Setenv("PIP_FIND_LINKS", "")
	t.Setenv("PIP_CONFIG_FILE", os.DevNull)
	tools := m.tools()
	tools.noSystem = true // the machine's own packages and apt-get are out of reach, too
	python, err := tools.Python(context.Background())
	require.NoError(t, err)
	require.False(t, python.Packages)
	require.Contains(t, m.said[len(m.said)-1], "notebooks run without pandas, NumPy, matplotlib and Plotly")
	out, err := exec.Command(python.Path, "-c", "print(6 * 7)").Output()
	require.NoError(t, err)
	require.Equal(t, "42\n", string(out))
}

func TestPythonOfThePinnedPackagesIsLeftAlone(t *testing.T) {
	m := newMachine(t)
	withPath(m, m.realPython)
	m.write("service/requirements.txt", "# none\n")
	first, err := m.tools().Python(context.Background())
	require.NoError(t, err)
	require.True(t, first.Packages)
	require.Len(t, m.said, 1)
	_, err = m.tools().Python(context.Background())
	require.NoError(t, err)
	require.Len(t, m.said, 1, "the second time there is nothing to do")
	m.write("service/requirements.txt", "# changed\n")
	_, err = m.tools().Python(context.Background())
	require.NoError(t, err)
	require.Len(t, m.said, 2)
}

func TestBenchmarksHaveAnEnvironmentOfTheirOwnOrSayWhyNot(t *testing.T) {
	m := newMachine(t)
	withPath(m, m.realPython)
	m.write("test/bench/requirements.txt", "ipykernel==7.4.0\n")
	t.Setenv("PIP_INDEX_URL", "http://127.0.0.1:9")
	t.Setenv("PIP_FIND_LINKS", "")
	t.Setenv("PIP_CONFIG_FILE", os.DevNull)
	tools := m.tools()
	tools.noSystem = true
	_, err := tools.Bench(context.Background())
	require.ErrorContains(t, err, "the benchmarks need Jupyter's kernel and FastAPI: ")
	require.ErrorContains(t, err, "the system's packages are out of reach")

	m.write("test/bench/requirements.txt", "# none\n")
	m.said = nil
	for range 2 { // the second time there is nothing to do
		python, err := tools.Bench(context.Background())
		require.NoError(t, err)
		require.Equal(t, filepath.Join(m.root, ".tools", "bench", "bin", "python"), python)
		require.Equal(t, []string{"installing Jupyter's kernel and FastAPI into .tools/bench"}, m.said)
	}
	require.NoDirExists(t, filepath.Join(m.root, ".venv"))
}

func TestMissingPythonIsNamed(t *testing.T) {
	m := newMachine(t)
	tools := m.tools()
	tools.noSystem = true
	_, err := tools.Python(context.Background())
	require.EqualError(t, err, "python3 is missing: install Python 3.11 or newer, https://www.python.org")
}

func TestChromiumThatIsNamedMustExist(t *testing.T) {
	m := newMachine(t)
	t.Setenv("CHROMIUM", filepath.Join(m.bin, "chromium"))
	_, err := m.tools().Chromium(context.Background())
	require.ErrorContains(t, err, "which is not a program")
	m.program("chromium", "")
	path, err := m.tools().Chromium(context.Background())
	require.NoError(t, err)
	require.Equal(t, filepath.Join(m.bin, "chromium"), path)
}
