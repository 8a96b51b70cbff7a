// Package workflows checks the repository's GitHub workflows as text: what no
// linter of their syntax looks at.
package workflows

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func workflows(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../../.github/workflows/*.yml")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	texts := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		texts[filepath.Base(path)] = string(text)
	}
	return texts
}

func TestEveryActionIsPinnedByCommitAndSaysItsVersion(t *testing.T) {
	uses := regexp.MustCompile(`(?m)^\s*(?:- )?uses: (.*)$`)
	pinned := regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	for name, text := range workflows(t) {
		found := uses.FindAllStringSubmatch(text, -1)
		require.NotEmpty(t, found, name)
		for _, use := range found {
			require.Regexp(t, pinned, use[1], name)
		}
	}
}

func TestWorkflowsMayOnlyReadTheRepository(t *testing.T) {
	for name, text := range workflows(t) {
		require.Contains(t, text, "\npermissions:\n  contents: read\n", name)
		if name == "deploy.yml" {
			// Its jobs prove to AWS who they are, and may do no more than that here.
			text = strings.ReplaceAll(text, "    permissions:\n      contents: read\n      id-token: write\n    ", "")
		}
		require.Equal(t, 1, strings.Count(text, "permissions:"), "%s: a job asks for more", name)
	}
}

func TestCIRunsTheSameCommandsAsPeople(t *testing.T) {
	ci := workflows(t)["ci.yml"]
	require.Contains(t, ci, "run: make ${{ matrix.target }}")
	for _, target := range []string{"check", "lint", "test"} {
		require.Contains(t, ci, "target: "+target+"\n")
	}
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	for _, target := range []string{"check", "lint", "test"} {
		require.Regexp(t, `(?m)^`+target+`:`, string(makefile))
	}
}
