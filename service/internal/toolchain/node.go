package toolchain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// NodeModules installs the npm packages of a directory of the checkout exactly
// as its package-lock.json says.
func (t *Toolchain) NodeModules(ctx context.Context, dir string) error {
	if err := t.Node(ctx); err != nil {
		return err
	}
	unlock, err := t.lock(ctx, "npm-"+strings.ReplaceAll(filepath.ToSlash(dir), "/", "-"))
	if err != nil {
		return err
	}
	defer unlock()
	return t.nodeModules(ctx, dir)
}

func (t *Toolchain) nodeModules(ctx context.Context, dir string) error {
	locked, err := os.ReadFile(t.path(dir, "package-lock.json"))
	if err != nil {
		return fmt.Errorf("read the pinned npm packages: %w", err)
	}
	node, err := t.capture(ctx, t.root, "node", "--version")
	if err != nil {
		return fmt.Errorf("ask node for its version: %w", err)
	}
	stamp := t.stamp("", string(locked), node)
	stamp.file = t.path(dir, "node_modules", ".installed") // goes when the packages go
	if _, ok := stamp.valid(); ok {
		return nil
	}
	t.say("installing the npm packages of " + dir)
	if err := t.run(ctx, t.path(dir), nil, "npm", "ci", "--no-audit", "--no-fund"); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("install the npm packages of %s: %w", dir, err)
	}
	return stamp.set("")
}

// Page builds the frontend when its sources have changed and returns the
// directory that holds it, index.html at its root.
func (t *Toolchain) Page(ctx context.Context) (string, error) {
	if err := t.Node(ctx); err != nil {
		return "", err
	}
	unlock, err := t.lock(ctx, "npm-frontend")
	if err != nil {
		return "", err
	}
	defer unlock()

	dist := t.path("frontend", "dist")
	sources, err := hashTree(t.path("frontend"), func(path string, directory bool) bool {
		return directory && (path == "node_modules" || path == "dist" || path == "coverage")
	})
	if err != nil {
		return "", fmt.Errorf("read the frontend's sources: %w", err)
	}
	inputs := []string{sources}
	for _, variable := range t.env {
		if strings.HasPrefix(variable, "VITE_") {
			inputs = append(inputs, variable)
		}
	}
	sort.Strings(inputs[1:])
	stamp := t.stamp("page", inputs...)
	if _, err := os.Stat(filepath.Join(dist, "index.html")); err == nil {
		if _, ok := stamp.valid(); ok {
			return dist, nil
		}
	}
	if err := t.nodeModules(ctx, "frontend"); err != nil {
		return "", err
	}
	t.say("building the page")
	if err := t.run(ctx, t.path("frontend"), nil, "npm", "run", "build"); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("build the page: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dist, "index.html")); err != nil {
		return "", errors.New("build the page: npm run build left no frontend/dist/index.html")
	}
	return dist, stamp.set("")
}

// Chromium returns the browser the tests drive, Debian's package where none is installed.
func (t *Toolchain) Chromium(ctx context.Context) (string, error) {
	find := func() string {
		for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
			if path, err := exec.LookPath(name); err == nil {
				return path
			}
		}
		return ""
	}
	if path := os.Getenv("CHROMIUM"); path != "" {
		if !executable(path) {
			return "", fmt.Errorf("CHROMIUM names %s, which is not a program", path)
		}
		return path, nil
	}
	if path := find(); path != "" {
		return path, nil
	}
	unlock, err := t.lock(ctx, "chromium")
	if err != nil {
		return "", err
	}
	defer unlock()
	if path := find(); path != "" {
		return path, nil
	}
	t.say("installing Chromium from Debian's packages")
	if err := t.aptGet(ctx, "chromium"); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("Chromium is missing and could not be installed: install it, or name one with CHROMIUM=PATH (%s)", firstLine(err))
	}
	if path := find(); path != "" {
		return path, nil
	}
	return "", errors.New("Debian's chromium package gave no chromium on PATH: name a browser with CHROMIUM=PATH")
}
