package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const before = `# thing

## Inputs

| what | was |

## Outputs

old

## Prices

stay
`

func module(t *testing.T, readme string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"variables.tf": `
variable "size" {
  description = <<-EOT
    How big: small
    or | large.
  EOT
  type = object({ a = optional(string, "x") })
  default = {}
}
variable "name" {
  description = "Its name."
  type        = string
}
`,
		"outputs.tf": `output "id" {
  description = "Its id."
  value       = 1
}
`,
		"README.md": readme,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	return dir
}

func TestTablesAreWrittenFromTheModule(t *testing.T) {
	dir := module(t, before)
	require.ErrorContains(t, run([]string{dir}, true), "make docs")
	require.NoError(t, run([]string{dir}, false))
	got, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	require.Equal(t, `# thing

## Inputs

| name | type | default | |
|---|---|---|---|
| `+"`size` | object | `{}` | How big: small or \\| large. |"+`
| `+"`name` | string | required | Its name. |"+`

## Outputs

| name | |
|---|---|
| `+"`id` | Its id. |"+`

## Prices

stay
`, string(got))
	require.NoError(t, run([]string{dir}, true), "a README that was just written agrees")
}

func TestAModuleWithoutAPlaceForItsTablesIsNamed(t *testing.T) {
	require.ErrorContains(t, run([]string{module(t, "# thing\n")}, false), `no heading "## Inputs"`)
	require.Error(t, run(nil, false))
}
