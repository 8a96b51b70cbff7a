package toolchain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hc-install/product"
	"github.com/hashicorp/hc-install/releases"
)

const (
	minimumTerraform   = "1.11"
	installedTerraform = "1.11.4"
)

// Terraform is a terraform program and what it needs to find its provider.
type Terraform struct {
	Path   string
	Config string // the generated CLI configuration, for TF_CLI_CONFIG_FILE
	Mirror string // the unpacked provider mirror in use; "" for the registry
}

// Env is what the program needs in its environment. Terraform and its provider
// live for seconds: to collect garbage in that time takes a third of their work,
// so it begins only where memory would run short.
func (t Terraform) Env() map[string]string {
	return map[string]string{"TF_CLI_CONFIG_FILE": t.Config, "GOGC": "off", "GOMEMLIMIT": "768MiB"}
}

// Terraform returns the terraform on PATH, else one installed into .tools, and
// a CLI configuration of its own.
func (t *Toolchain) Terraform(ctx context.Context) (Terraform, error) {
	unlock, err := t.lock(ctx, "terraform")
	if err != nil {
		return Terraform{}, err
	}
	defer unlock()

	path, err := t.terraform(ctx)
	if err != nil {
		return Terraform{}, err
	}
	terraform := Terraform{Path: path, Config: t.path(".tools", "terraform.tfrc")}
	if terraform.Mirror, err = t.mirror(); err != nil {
		return Terraform{}, err
	}
	content := ""
	if terraform.Mirror != "" {
		// An unpacked mirror is linked to, not copied: a plug-in cache in
		// addition would save nothing and is not safe for concurrent use.
		content = fmt.Sprintf(`provider_installation {
  filesystem_mirror {
    path    = %q
    include = ["registry.terraform.io/hashicorp/aws"]
  }
  direct {
    exclude = ["registry.terraform.io/hashicorp/aws"]
  }
}
`, terraform.Mirror)
	} else {
		cache := t.path(".tools", "plugin-cache")
		if err := os.MkdirAll(cache, 0o755); err != nil {
			return Terraform{}, err
		}
		content = fmt.Sprintf("plugin_cache_dir = %q\n", cache)
	}
	return terraform, replaceFile(terraform.Config, []byte(content))
}

// WithInitLock runs one `terraform init` at a time: the plug-in cache is not
// safe for several. With a mirror nothing is shared and nothing is locked.
func (t *Toolchain) WithInitLock(ctx context.Context, terraform Terraform, init func() error) error {
	if terraform.Mirror == "" {
		unlock, err := t.lock(ctx, "terraform-init")
		if err != nil {
			return err
		}
		defer unlock()
	}
	return init()
}

var terraformVersion = regexp.MustCompile(`"terraform_version":\s*"([0-9.]+)`)

func (t *Toolchain) terraform(ctx context.Context) (string, error) {
	suits := func(path string) bool {
		out, err := t.capture(ctx, os.TempDir(), path, "version", "-json")
		match := terraformVersion.FindStringSubmatch(out)
		return err == nil && match != nil && atLeast(match[1], minimumTerraform)
	}
	if path, err := exec.LookPath("terraform"); err == nil {
		if path, err = filepath.Abs(path); err == nil && suits(path) {
			return path, nil
		}
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	dir := t.path(".tools", "terraform")
	if path := filepath.Join(dir, "terraform"); executable(path) && suits(path) {
		return path, nil
	}
	t.say("installing Terraform " + installedTerraform + " into .tools")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path, err := (&releases.ExactVersion{
		Product:    product.Terraform,
		Version:    version.Must(version.NewVersion(installedTerraform)),
		InstallDir: dir,
	}).Install(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("no Terraform %s or newer is on PATH and installing one failed: install Terraform, https://developer.hashicorp.com/terraform/install (%s)", minimumTerraform, firstLine(err))
	}
	return path, nil
}

var lockedProvider = regexp.MustCompile(`provider "registry\.terraform\.io/hashicorp/aws" \{\s*version\s*=\s*"([^"]+)"`)

// mirror finds an unpacked provider mirror that holds the locked version of
// the AWS provider for this machine: the one TF_PLUGIN_MIRROR names, else one
// near the top of a directory where system-wide files are kept.
func (t *Toolchain) mirror() (string, error) {
	lock, err := os.ReadFile(t.path("envs", "shared", ".terraform.lock.hcl"))
	if err != nil {
		return "", fmt.Errorf("read the lock file of envs/shared: %w", err)
	}
	match := lockedProvider.FindSubmatch(lock)
	if match == nil {
		return "", errors.New("envs/shared/.terraform.lock.hcl does not lock registry.terraform.io/hashicorp/aws")
	}
	provider := filepath.Join("registry.terraform.io", "hashicorp", "aws", string(match[1]), runtime.GOOS+"_"+runtime.GOARCH)

	if named := os.Getenv("TF_PLUGIN_MIRROR"); named != "" {
		if !directory(filepath.Join(named, provider)) {
			return "", fmt.Errorf("TF_PLUGIN_MIRROR names %s, which has no %s", named, provider)
		}
		return filepath.Abs(named)
	}
	for _, place := range []struct {
		root  string
		depth int
	}{
		{"/usr/share/terraform", 3}, {"/usr/local/share/terraform", 3}, {"/opt", 3}, {"/usr/local/share", 2},
		{"/usr/local/lib", 2}, {"/var/lib", 2}, {"/usr/lib", 2}, {"/usr/share", 2}, {"/srv", 3}, {"/etc/terraform.d", 2},
	} {
		if found := search(place.root, provider, place.depth); found != "" {
			return found, nil
		}
	}
	return "", nil
}

// search looks for a directory that contains the path, at most depth levels
// below root, nearest first.
func search(root, contains string, depth int) string {
	level := []string{root}
	for ; depth >= 0 && len(level) > 0; depth-- {
		var next []string
		for _, dir := range level {
			if directory(filepath.Join(dir, contains)) {
				return dir
			}
			if depth == 0 {
				continue
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				continue // not ours to read
			}
			for _, entry := range entries {
				if entry.Type()&fs.ModeType == fs.ModeDir && !strings.HasPrefix(entry.Name(), ".git") {
					next = append(next, filepath.Join(dir, entry.Name()))
				}
			}
		}
		level = next
	}
	return ""
}

func directory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// replaceFile writes a file that other programs may be reading.
func replaceFile(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == string(content) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	if _, err := temporary.Write(content); err != nil {
		_ = temporary.Close()
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
