package image

import (
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(text)
}

func dockerfile(t *testing.T) []Stage {
	t.Helper()
	stages, err := Parse(read(t, "service/Dockerfile"))
	require.NoError(t, err)
	return stages
}

func final(t *testing.T) Stage {
	t.Helper()
	stages := dockerfile(t)
	return stages[len(stages)-1]
}

func TestBasesArePinnedToExactVersions(t *testing.T) {
	stages := dockerfile(t)
	names := map[string]string{}
	for i, stage := range stages {
		name, tag, ok := strings.Cut(stage.Image, ":")
		require.True(t, ok, stage.Image)
		require.Regexp(t, `^\d+\.\d+\.\d+-[a-z-]+$`, tag, "%s must say which patch release it is", stage.Image)
		names[name] = tag
		build := i < len(stages)-1
		require.Equal(t, build, stage.Steps[0].Flag("platform") == "$BUILDPLATFORM",
			"build stages run on the builder's own architecture, and only they")
	}
	require.Regexp(t, `^3\.13\.\d+-slim-bookworm$`, names["python"])
	require.Contains(t, names["node"], "slim")

	wanted := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))
	require.True(t, strings.HasPrefix(names["golang"], wanted[1]+"."), "Go as go.mod says")
}

func TestTheImageStartsTheServiceAsItsTaskExpects(t *testing.T) {
	stage := final(t)
	words := func(name string) []string {
		step, ok := stage.Last(name)
		require.True(t, ok, name)
		return step.Words()
	}
	require.Equal(t, []string{"/usr/local/bin/notebook"}, words("ENTRYPOINT"))
	require.Equal(t, []string{"serve"}, words("CMD"))
	require.Equal(t, []string{"8000"}, words("EXPOSE"))
	require.Equal(t, []string{"/var/lib/notebook"}, words("WORKDIR"))
	require.Equal(t, []string{"SIGTERM"}, words("STOPSIGNAL"))
	require.Equal(t, ":8000", stage.Env()["ADDR"])
	require.True(t, filepath.IsAbs(stage.Env()["KERNEL_PYTHON"]))

	health, ok := stage.Last("HEALTHCHECK")
	require.True(t, ok)
	require.Equal(t, `CMD ["/usr/local/bin/notebook", "healthcheck"]`, health.Text)
	for _, flag := range []string{"interval", "timeout", "start-period", "retries"} {
		require.NotEmpty(t, health.Flag(flag), flag)
	}
}

func TestTheUserIsAChoiceWithItsReason(t *testing.T) {
	user, ok := final(t).Last("USER")
	require.True(t, ok)
	require.Equal(t, "root", user.Text)
	for _, why := range []string{"user id of its own", "SETUID", "SETGID", "KILL", "CHOWN"} {
		require.Contains(t, user.Comment, why)
	}
}

func TestNothingIsInTheImageThatIsNotNeeded(t *testing.T) {
	for _, stage := range dockerfile(t) {
		for _, step := range stage.Steps {
			require.NotRegexp(t, `\b(curl|wget|apt-get|apk)\b`, step.Text)
			require.NotRegexp(t, `(?i)(token|secret|password|credential)`, step.Text, "secrets come at run time")
			if step.Name == "RUN" && strings.Contains(step.Text, "pip install") {
				require.Contains(t, step.Text, "--only-binary=:all:")
				require.Contains(t, step.Text, "--no-cache-dir")
			}
		}
	}
	for line := range strings.Lines(read(t, "service/requirements.txt")) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			require.Regexp(t, `^[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*$`, line, "an exact version")
		}
	}
}

func TestTheContextHoldsWhatIsCopiedAndNothingPrivate(t *testing.T) {
	ignore := ParseIgnore(read(t, ".dockerignore"))
	for _, stage := range dockerfile(t) {
		for _, step := range stage.Steps {
			if step.Name != "COPY" || step.Flag("from") != "" {
				continue
			}
			words := step.Words()
			for _, source := range words[:len(words)-1] {
				source = strings.TrimSuffix(source, "/")
				_, err := os.Stat(filepath.Join(root, source))
				require.NoError(t, err)
				require.False(t, ignore.Ignored(source), "%s is copied and ignored", source)
			}
		}
	}
	for name, ignored := range map[string]bool{
		".git/config": true, ".env": true, "data/notebooks.db": true, ".stack/dev/token": true, "envs/dev/terraform.tfvars": true,
		"frontend/node_modules/x/index.js": true, "frontend/dist/index.html": true, "service/internal/api/api_test.go": true,
		"frontend/src/main.tsx": false, "service/cmd/notebook/main.go": false, "service/internal/store/sqlite/migrations/0001_notebooks.sql": false, "go.sum": false,
	} {
		require.Equal(t, ignored, ignore.Ignored(name), name)
	}
}

// allArchitectures makes the build's test compile for every architecture of
// the image instead of this machine's alone: minutes more where nothing is in
// Go's cache.
const allArchitectures = "IMAGE_ALL_ARCHITECTURES"

var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// TestTheStepsBuildAStaticProgram runs the build stage in a scratch directory,
// as an engine would with its WORKDIR.
func TestTheStepsBuildAStaticProgram(t *testing.T) {
	architectures := []string{runtime.GOARCH}
	if os.Getenv(allArchitectures) != "" {
		architectures = []string{"amd64", "arm64"}
	}
	for _, arch := range architectures {
		t.Run(arch, func(t *testing.T) {
			if machines[arch] == 0 {
				t.Skipf("the image is not made for %s", arch)
			}
			work := t.TempDir()
			page := pageStage(t)
			var copied []string
			for _, stage := range dockerfile(t) {
				if stage.Name != "build" {
					continue
				}
				for _, step := range stage.Steps {
					switch step.Name {
					case "COPY":
						words := step.Words()
						to := filepath.Join(work, words[len(words)-1])
						for _, source := range words[:len(words)-1] {
							from := filepath.Join(root, source)
							if step.Flag("from") == "page" {
								from = page
							}
							copyTree(t, from, to, len(words) > 2 || strings.HasSuffix(words[len(words)-1], "./"))
							copied = append(copied, source)
						}
					case "RUN":
						execute(t, work, step.Text, "TARGETOS=linux", "TARGETARCH="+arch, "RELEASE=abc123")
					}
				}
			}
			require.NotEmpty(t, copied)

			program := filepath.Join(work, "bin", "notebook")
			file, err := elf.Open(program)
			require.NoError(t, err)
			defer file.Close()
			require.Equal(t, machines[arch], file.Machine)
			for _, part := range file.Progs {
				require.NotEqual(t, elf.PT_INTERP, part.Type, "it is static")
			}
			if arch == runtime.GOARCH {
				out, err := exec.Command(program, "--version").CombinedOutput()
				require.NoError(t, err, string(out))
				require.Equal(t, "notebook abc123\n", string(out))
			}
			body, err := os.ReadFile(program)
			require.NoError(t, err)
			require.Contains(t, string(body), "<title>", "the page is in it")
		})
	}
}

// TestEveryArchitectureCanBeBuiltWithoutCgo asks Go what a build for each of
// them would take: no package may lack files for it or need a C compiler.
func TestEveryArchitectureCanBeBuiltWithoutCgo(t *testing.T) {
	for arch := range machines {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{.ImportPath}}{{if .CgoFiles}} needs cgo{{end}}", "./service/cmd/notebook")
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		require.NoError(t, err, "%s: %s", arch, errs.String())
		require.Contains(t, string(out), "modernc.org/sqlite")
		require.NotContains(t, string(out), "needs cgo", arch)
	}
}

// pageStage returns the built page: the checkout's if there is one, else what
// the page stage's commands make.
func pageStage(t *testing.T) string {
	t.Helper()
	built := filepath.Join(root, "frontend", "dist")
	if _, err := os.Stat(filepath.Join(built, "index.html")); err == nil {
		return built
	}
	work := t.TempDir()
	for _, stage := range dockerfile(t) {
		if stage.Name != "page" {
			continue
		}
		for _, step := range stage.Steps {
			switch step.Name {
			case "COPY":
				words := step.Words()
				for _, source := range words[:len(words)-1] {
					copyTree(t, filepath.Join(root, source), work, !strings.HasSuffix(source, "/"))
				}
			case "RUN":
				execute(t, work, step.Text)
			}
		}
	}
	return filepath.Join(work, "dist")
}

func TestTheDataDirectoryIsClosedToKernels(t *testing.T) {
	work := t.TempDir()
	for _, step := range final(t).Steps {
		if step.Name == "RUN" && strings.HasPrefix(step.Text, "install ") {
			execute(t, work, step.Text)
		}
	}
	info, err := os.Stat(filepath.Join(work, "data"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
}

// execute runs a step's command as the engine's shell does.
func execute(t *testing.T, dir, command string, env ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", command, out)
}

// copyTree copies as COPY does, but for what .dockerignore keeps out.
func copyTree(t *testing.T, from, to string, into bool) {
	t.Helper()
	ignore := ParseIgnore(read(t, ".dockerignore"))
	absolute, err := filepath.Abs(root)
	require.NoError(t, err)
	from, err = filepath.Abs(from)
	require.NoError(t, err)
	if into {
		to = filepath.Join(to, filepath.Base(from))
	}
	page := strings.HasSuffix(from, filepath.Join("frontend", "dist")) // of a stage, not of the context
	require.NoError(t, filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inContext, err := filepath.Rel(absolute, name)
		if err != nil {
			return err
		}
		if !page && strings.HasPrefix(name, absolute) && ignore.Ignored(filepath.ToSlash(inContext)) {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		below, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, below)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		body, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, body, 0o644)
	}))
}

func TestAFileThatIsNoDockerfileIsRefused(t *testing.T) {
	for _, text := range []string{"", "RUN x", "FROM a:1\nNONSENSE x", "FROM a:1\nRUN x \\", "FROM a:1\nRUN"} {
		_, err := Parse(text)
		require.Error(t, err, text)
	}
}
