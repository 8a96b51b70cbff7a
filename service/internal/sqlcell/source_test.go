package sqlcell_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
)

func TestReferencesAreThePlaceholdersOutsideOfTextAndNames(t *testing.T) {
	for _, v := range []struct {
		dialect sqlcell.Dialect // "" is both
		source  string
		names   string
	}{
		{"", "SELECT {b}, {a}, {b}", "a b"},
		{"", "SELECT { spaced }, {__public}, {été}, {x1}", "__public spaced x1 été"},
		{"", "SELECT {ﬁ}", "fi"}, // as Python's compiler reads it
		{"", "SELECT '{no}', 'it''s {no}', {yes}", "yes"},
		{"", `SELECT "{no}", "a""{no}" , {yes}`, "yes"},
		{"", "SELECT 1 -- {no} '\n, {yes}", "yes"},
		{"", "SELECT /* {no} ' */ {yes}", "yes"},
		{"", "SELECT {yes} /* {no} */ -- '", "yes"},
		{"", "SELECT {{no}} {yes}", "yes"},
		{"", "SELECT {a}; SELECT {b};", "a b"},
		{"", "SELECT '\\', {yes}", "yes"},
		{"", "SELECT\u00a0{yes}", "yes"},
		{"", "", ""},
		{sqlcell.PostgreSQL, "SELECT /* /* {no} */ {no} */ {yes}", "yes"},
		{sqlcell.PostgreSQL, "SELECT $${no}$$, $t$ $$ {no} $t$, {yes}", "yes"},
		{sqlcell.PostgreSQL, `SELECT E'\'{no}', e'\\', {yes}`, "yes"},
		{sqlcell.PostgreSQL, `SELECT U&"{no}", B'0', {yes}`, "yes"},
		{sqlcell.PostgreSQL, "SELECT a$b$, {yes}, c$b$", "yes"}, // no quote: the names hold a $
		{sqlcell.PostgreSQL, "SELECT a[1:2], j ? 'k', x::int, @ -5, {yes}", "yes"},
		{sqlcell.SQLite, "SELECT `{no}`, [{no}], {yes}", "yes"},
		{sqlcell.SQLite, "SELECT /* /* {no} */ {yes}", "yes"},
	} {
		for _, dialect := range []sqlcell.Dialect{sqlcell.PostgreSQL, sqlcell.SQLite} {
			if v.dialect != "" && v.dialect != dialect {
				continue
			}
			names, err := sqlcell.References(v.source, dialect)
			require.NoError(t, err, v.source)
			require.Equal(t, strings.Fields(v.names), names, "%s: %s", dialect, v.source)
		}
	}
}

func TestFaultsOfASourceAreAllNamedWithTheirPlaces(t *testing.T) {
	for _, v := range []struct {
		dialect sqlcell.Dialect
		source  string
		faults  []string
	}{
		{sqlcell.PostgreSQL, "SELECT {a b},\n  'é', {x.y}, {1}, {}", []string{
			"line 1, column 8: {a b}: only the name of a Python variable can stand here; give the value a name in a Python cell",
			"line 2, column 8: {x.y}: only the name of a Python variable can stand here; give the value a name in a Python cell",
			"line 2, column 15: {1}: only the name of a Python variable can stand here; give the value a name in a Python cell",
			"line 2, column 20: {}: the name of a Python variable is missing; write {{}} for braces",
		}},
		{sqlcell.PostgreSQL, "SELECT {class}, {_mine}", []string{
			"line 1, column 8: {class}: this is a keyword of Python, not a variable",
			"line 1, column 17: {_mine}: names that start with one underscore are private to the cell that defines them",
		}},
		{sqlcell.PostgreSQL, "SELECT {a", []string{"line 1, column 8: a { without a }: write {name} for the value of a Python variable, {{ for a brace"}},
		{sqlcell.PostgreSQL, "SELECT 1}", []string{"line 1, column 9: a } without a {: write }} for a brace"}},
		{sqlcell.PostgreSQL, "SELECT 'a", []string{"line 1, column 8: this string has no end: a ' is missing"}},
		{sqlcell.PostgreSQL, "SELECT \"a", []string{"line 1, column 8: this quoted name has no end: a \" is missing"}},
		{sqlcell.PostgreSQL, "SELECT 1 /* /* */", []string{"line 1, column 10: this comment has no end: a */ is missing"}},
		{sqlcell.PostgreSQL, "SELECT $q$ {a} $Q$", []string{"line 1, column 8: this string has no end: a $q$ is missing"}},
		{sqlcell.PostgreSQL, "SELECT $1", []string{"line 1, column 8: $1 is not bound to anything: write {name} for the value of the Python variable name"}},
		{sqlcell.PostgreSQL, "SELECT \x00", []string{"line 1, column 8: a NUL character can't be part of SQL"}},
		{sqlcell.SQLite, "SELECT ?, ?2, :a, @b, $c", []string{
			"line 1, column 8: ? is not bound to anything: write {name} for the value of the Python variable name",
			"line 1, column 11: ?2 is not bound to anything: write {name} for the value of the Python variable name",
			"line 1, column 15: :a is not bound to anything: write {name} for the value of the Python variable name",
			"line 1, column 19: @b is not bound to anything: write {name} for the value of the Python variable name",
			"line 1, column 23: $c is not bound to anything: write {name} for the value of the Python variable name",
		}},
	} {
		_, err := sqlcell.References(v.source, v.dialect)
		require.EqualError(t, err, strings.Join(v.faults, "\n"))
		var fault *sqlcell.SourceError
		require.ErrorAs(t, err, &fault)
		e := sqlcell.SourceCellError(err)
		require.Equal(t, notebook.ErrSyntax, e.Kind)
		require.Equal(t, v.faults[0], e.Message)
		require.Equal(t, v.faults, e.Traceback)
	}
	require.Nil(t, sqlcell.SourceCellError(nil))
	_, err := sqlcell.References(strings.Repeat("SELECT 1;", 1001), sqlcell.SQLite)
	require.ErrorContains(t, err, "at most 1000 statements")
}

func TestReferencesSurvivesAnySource(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(
			rapid.SampledFrom([]string{"{a}", "{{", "}}", "{", "}", "'", "''", "\"", "$$", "$t$", "E'", "\\", "--", "\n", "/*", "*/", ";",
				"begin", "end", "case", "create function ", "create trigger ", "atomic", "(", ")", "[", "]", "`", "?", ":a", "$1", "\u00a0", "\ufeff", " "}),
			rapid.String(),
		)
		source := strings.Join(rapid.SliceOfN(piece, 0, 30).Draw(t, "pieces"), "")
		for _, dialect := range []sqlcell.Dialect{sqlcell.PostgreSQL, sqlcell.SQLite} {
			names, _ := sqlcell.References(source, dialect)
			for _, name := range names {
				if !strings.Contains(source, "{") || name == "" {
					t.Fatalf("%q is no reference in %q", name, source)
				}
			}
		}
	})
}
