package toolchain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Python is the interpreter notebooks run in on this machine.
type Python struct {
	Path     string // .venv/bin/python of the checkout
	Packages bool   // pandas, NumPy, matplotlib and Plotly can be imported
}

const (
	minimumPython = "3.11"

	fromPyPI   = "pypi"
	fromSystem = "system"
	fromNone   = "none"

	scientific = "import pandas, numpy, matplotlib, plotly"
)

// pipOptions make pip fail fast and clearly: never compile, never ask, never
// wait minutes for an index that is out of reach.
var pipOptions = []string{
	"-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
	"--only-binary", ":all:", "--timeout", "15", "--retries", "1",
}

// Python makes .venv ready: the pinned packages from PyPI, else the packages
// of a system interpreter (Debian's, installed where that is possible), else
// none, which is said and is no error.
func (t *Toolchain) Python(ctx context.Context) (Python, error) {
	unlock, err := t.lock(ctx, "python")
	if err != nil {
		return Python{}, err
	}
	defer unlock()
	return t.python(ctx)
}

func (t *Toolchain) python(ctx context.Context) (Python, error) {
	venv := t.notebooks()
	base, version, err := t.interpreter(ctx)
	if err != nil {
		return Python{}, err
	}
	origin, failure, err := t.fill(ctx, venv, base, version)
	if err != nil {
		return Python{}, err
	}
	python := Python{Path: venv.python(), Packages: origin != fromNone}
	if failure == nil {
		return python, nil
	}
	if err := t.venv(ctx, venv, base, "--clear", "--without-pip"); err != nil {
		return Python{}, err
	}
	t.say(fmt.Sprintf("notebooks run without %s: %s", venv.packages, failure))
	return python, nil
}

// environment is a virtual environment of the checkout and what goes into it.
type environment struct {
	name         string // of its directory in the checkout
	dir          string
	requirements string // the file that pins its packages
	packages     string // for people
	imports      string // Python that fails where the packages are missing
	debian       []string
	stamp        string
}

func (e environment) python() string { return filepath.Join(e.dir, "bin", "python") }

func (t *Toolchain) notebooks() environment {
	return environment{
		name: ".venv", dir: t.path(".venv"),
		requirements: t.path("service", "requirements.txt"),
		packages:     "pandas, NumPy, matplotlib and Plotly",
		imports:      scientific,
		debian:       []string{"python3-pandas", "python3-numpy", "python3-matplotlib", "python3-plotly"},
		stamp:        "python",
	}
}

// Bench returns the interpreter of .tools/bench, which has what the benchmarks
// measure against: the pinned packages from PyPI, else Debian's.
func (t *Toolchain) Bench(ctx context.Context) (string, error) {
	unlock, err := t.lock(ctx, "bench")
	if err != nil {
		return "", err
	}
	defer unlock()
	base, version, err := t.interpreter(ctx)
	if err != nil {
		return "", err
	}
	venv := environment{
		name: ".tools/bench", dir: t.path(".tools", "bench"),
		requirements: t.path("test", "bench", "requirements.txt"),
		packages:     "Jupyter's kernel and FastAPI",
		imports:      "import jupyter_client, ipykernel, pandas, fastapi, uvicorn, pydantic, websockets",
		debian:       []string{"python3-jupyter-client", "python3-ipykernel", "python3-pandas", "python3-fastapi", "python3-uvicorn", "python3-pydantic", "python3-websockets"},
		stamp:        "bench",
	}
	_, failure, err := t.fill(ctx, venv, base, version)
	if err == nil && failure != nil {
		err = fmt.Errorf("the benchmarks need %s: %w", venv.packages, failure)
	}
	return venv.python(), err
}

// fill makes an environment ready and returns where its packages come from.
// The failure says why neither PyPI nor the system gives them; err, that
// nothing can be done.
func (t *Toolchain) fill(ctx context.Context, venv environment, base, version string) (origin string, failure, err error) {
	pinned, err := os.ReadFile(venv.requirements)
	if err != nil {
		return "", nil, fmt.Errorf("read the pinned Python packages: %w", err)
	}
	stamp := t.stamp(venv.stamp, string(pinned), base, version, t.root)
	if origin, ok := stamp.valid(); ok && origin != fromNone && executable(venv.python()) {
		return origin, nil, nil
	}
	if err := stamp.set(fromNone); err != nil { // until it is whole again
		return "", nil, err
	}

	t.say(fmt.Sprintf("installing %s into %s", venv.packages, venv.name))
	pypiErr := t.venv(ctx, venv, base, "--clear")
	if pypiErr == nil {
		pypiErr = t.run(ctx, t.root, nil, venv.python(), append(pipOptions, "--requirement", venv.requirements)...)
	}
	if ctx.Err() != nil {
		return "", nil, ctx.Err()
	}
	if pypiErr == nil {
		return fromPyPI, nil, stamp.set(fromPyPI)
	}

	t.say("PyPI does not give the Python packages, taking the system's")
	systemErr := t.systemPackages(ctx, venv, base)
	if ctx.Err() != nil {
		return "", nil, ctx.Err()
	}
	if systemErr == nil {
		return fromSystem, nil, stamp.set(fromSystem)
	}
	return fromNone, fmt.Errorf("%s; %s", firstLine(pypiErr), firstLine(systemErr)), nil
}

// venv makes an environment with the interpreter; where its ensurepip is
// packaged apart (Debian), that package is installed first.
func (t *Toolchain) venv(ctx context.Context, venv environment, base string, options ...string) error {
	args := append(append([]string{"-m", "venv"}, options...), venv.dir)
	err := t.run(ctx, t.root, nil, base, args...)
	if err != nil && ctx.Err() == nil && strings.HasPrefix(base, "/usr/bin/") {
		if t.aptGet(ctx, "python3-venv") == nil {
			err = t.run(ctx, t.root, nil, base, args...)
		}
	}
	if err != nil {
		return fmt.Errorf("make a virtual environment in %s: %w", venv.name, err)
	}
	return nil
}

// systemPackages makes an environment see the packages of an interpreter of
// the system.
func (t *Toolchain) systemPackages(ctx context.Context, venv environment, base string) error {
	if t.noSystem {
		return errors.New("the system's packages are out of reach")
	}
	candidates := []string{base, "/usr/bin/python3"}
	python := t.first(ctx, candidates, venv.imports)
	if python == "" {
		if err := t.aptGet(ctx, append([]string{"python3"}, venv.debian...)...); err != nil {
			return err
		}
		if python = t.first(ctx, candidates, venv.imports); python == "" {
			return fmt.Errorf("Debian's %s cannot be imported", strings.Join(venv.debian, ", "))
		}
	}
	if err := t.venv(ctx, venv, python, "--clear", "--without-pip", "--system-site-packages"); err != nil {
		return err
	}
	if t.first(ctx, []string{venv.python()}, venv.imports) == "" {
		return errors.New("the virtual environment does not see the system's packages")
	}
	return nil
}

// first returns the first of the interpreters that is new enough and runs the code.
func (t *Toolchain) first(ctx context.Context, interpreters []string, code string) string {
	for _, python := range interpreters {
		if !executable(python) {
			continue
		}
		if _, err := t.capture(ctx, t.root, python, "-c", "import sys; assert sys.version_info >= (3, 11)\n"+code); err == nil {
			return python
		}
	}
	return ""
}

// interpreter finds the Python on PATH that is new enough and returns the real
// path of its executable: a name on PATH may be a shim whose meaning changes
// with the directory.
func (t *Toolchain) interpreter(ctx context.Context) (path, version string, err error) {
	found := ""
	for _, name := range []string{"python3", "python3.13", "python3.12", "python3.11", "/usr/bin/python3"} {
		if t.noSystem && filepath.IsAbs(name) {
			continue
		}
		out, err := t.capture(ctx, t.root, name, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(getattr(sys, '_base_executable', sys.executable))")
		if ctx.Err() != nil {
			return "", "", ctx.Err()
		}
		version, path, ok := strings.Cut(out, "\n")
		if err != nil || !ok {
			continue
		}
		if atLeast(version, minimumPython) {
			return path, version, nil
		}
		if found == "" {
			found = version
		}
	}
	if found != "" {
		return "", "", fmt.Errorf("python3 on PATH is version %s: install Python %s or newer, https://www.python.org", found, minimumPython)
	}
	return "", "", fmt.Errorf("python3 is missing: install Python %s or newer, https://www.python.org", minimumPython)
}

const (
	motoRequirement = "moto[server]==5.2.1"
	motoImport      = "import moto, moto.server, flask_cors; assert moto.__version__.startswith('5.')"
)

// Moto returns an interpreter that can import moto 5, the AWS emulator's base.
func (t *Toolchain) Moto(ctx context.Context) (string, error) {
	base, version, err := t.interpreter(ctx)
	if err != nil {
		return "", err
	}
	venv := t.path(".venv", "bin", "python")
	stamp := t.stamp("moto", base, version, motoRequirement, t.root)
	if python, ok := stamp.valid(); ok && executable(python) && (python != venv || t.first(ctx, []string{venv}, motoImport) != "") {
		return python, nil
	}
	if python := t.first(ctx, []string{base, scriptInterpreter("moto_server")}, motoImport); python != "" {
		return python, stamp.set(python)
	}

	// Only what concerns .venv waits for whoever is filling it.
	unlock, err := t.lock(ctx, "python")
	if err != nil {
		return "", err
	}
	defer unlock()
	if t.first(ctx, []string{venv}, motoImport) != "" {
		return venv, stamp.set(venv)
	}
	if _, err := t.python(ctx); err != nil {
		return "", err
	}
	t.say("installing moto, the AWS emulator, into .venv")
	if t.first(ctx, []string{venv}, "import pip") == "" {
		if err := t.run(ctx, t.root, nil, venv, "-m", "ensurepip"); err != nil && ctx.Err() == nil {
			return "", fmt.Errorf("moto is missing and .venv has no pip to install it with: install Debian's python3-venv or run python3 -m pip install '%s'", motoRequirement)
		}
	}
	if err := t.run(ctx, t.root, nil, venv, append(pipOptions, motoRequirement)...); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("moto is missing and PyPI does not give it: run python3 -m pip install '%s' where PyPI can be reached (%w)", motoRequirement, err)
	}
	if t.first(ctx, []string{venv}, motoImport) == "" {
		return "", fmt.Errorf("moto was installed into .venv and cannot be imported: remove .venv and try again")
	}
	return venv, stamp.set(venv)
}

// scriptInterpreter returns the interpreter that a Python script on PATH names
// in its first line, "" when there is none.
func scriptInterpreter(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	line, err := bufio.NewReader(file).ReadString('\n')
	fields := strings.Fields(strings.TrimPrefix(line, "#!"))
	if err != nil || !strings.HasPrefix(line, "#!") || len(fields) != 1 || !strings.Contains(filepath.Base(fields[0]), "python") {
		return ""
	}
	return fields[0]
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func firstLine(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
