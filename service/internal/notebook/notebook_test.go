package notebook

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEachKindOfOutputHasItsOwnShapeAndComesBack(t *testing.T) {
	for _, c := range []struct {
		output Output
		shape  string
	}{
		{Output{Kind: OutputStream, Stream: "stderr", Text: "a\n"}, `{"kind":"stream","stream":"stderr","text":"a\n"}`},
		{Output{Kind: OutputDisplay, Data: map[string]json.RawMessage{"text/plain": []byte(`"1"`)}}, `{"kind":"display","data":{"text/plain":"1"},"metadata":{}}`},
		{Output{Kind: OutputResult, Metadata: map[string]json.RawMessage{"a": []byte(`[]`)}}, `{"kind":"result","data":{},"metadata":{"a":[]}}`},
		{Output{Kind: OutputError, Name: "E", Message: "m"}, `{"kind":"error","name":"E","message":"m","traceback":[]}`},
	} {
		written, err := json.Marshal(c.output)
		require.NoError(t, err)
		require.JSONEq(t, c.shape, string(written))
		var back Output
		require.NoError(t, json.Unmarshal(written, &back))
		again, err := json.Marshal(back)
		require.NoError(t, err)
		require.JSONEq(t, c.shape, string(again))
	}
	_, err := json.Marshal(Output{Kind: "smell"})
	require.Error(t, err)
	require.Error(t, json.Unmarshal([]byte(`{"kind":"smell"}`), new(Output)))
}

func TestTimesAreWrittenInUTCWithMilliseconds(t *testing.T) {
	written, err := json.Marshal(Time{time.Date(2026, 2, 3, 4, 5, 6, 0, time.FixedZone("", 3600))})
	require.NoError(t, err)
	require.Equal(t, `"2026-02-03T03:05:06.000Z"`, string(written))
	now := Now()
	written, err = json.Marshal(now)
	require.NoError(t, err)
	var back Time
	require.NoError(t, json.Unmarshal(written, &back))
	require.True(t, now.Equal(back.Time), "nothing is lost in writing")
	require.Error(t, json.Unmarshal([]byte(`"yesterday"`), &back))
}

func TestANewNotebookIsWrittenWithEmptyListsInsteadOfNull(t *testing.T) {
	n := New("N", Auto)
	require.NoError(t, n.Insert(NewCell(Python, ""), Place{}))
	written, err := json.Marshal(n)
	require.NoError(t, err)
	for _, field := range []string{"defines", "references", "blocked_by", "outputs"} {
		require.Contains(t, string(written), `"`+field+`":[]`)
	}
	require.True(t, ValidID(n.ID))
	require.False(t, ValidID(strings.ToUpper(n.ID)))
	require.False(t, ValidID("{"+n.ID+"}"))
}

func order(n *Notebook) string {
	var b strings.Builder
	for _, c := range n.Cells {
		b.WriteString(c.Source)
	}
	return b.String()
}

func TestCellsGoWhereTheirPlaceSays(t *testing.T) {
	n := New("N", Auto)
	a, b, c := NewCell(Python, "a"), NewCell(Python, "b"), NewCell(Python, "c")
	require.NoError(t, n.Insert(a, Place{}))
	require.NoError(t, n.Insert(b, Place{Given: true}))
	require.NoError(t, n.Insert(c, Place{Given: true, After: b.ID}))
	require.Equal(t, "bca", order(n))
	require.Nil(t, n.Above(b.ID))
	require.Equal(t, b.ID, *n.Above(c.ID))
	var field *FieldError
	require.ErrorAs(t, n.Insert(NewCell(Python, "d"), Place{Given: true, After: NewID()}), &field)
	require.Equal(t, "after", field.Field)
	require.Equal(t, c, n.Remove(c.ID))
	require.Nil(t, n.Remove(c.ID))
	require.Equal(t, "ba", order(n))
}

func TestACloneSharesNothingThatEitherSideMayChange(t *testing.T) {
	n := New("N", Auto)
	c := NewCell(Python, "a")
	c.Outputs = append(c.Outputs, Output{Kind: OutputStream, Text: "1"})
	require.NoError(t, n.Insert(c, Place{}))
	copied := n.Clone()
	c.Outputs[0].Text, c.Source = "2", "b"
	require.NoError(t, n.Insert(NewCell(Python, "c"), Place{}))
	require.Equal(t, "a", order(copied))
	require.Equal(t, "1", copied.Cells[0].Outputs[0].Text)
}

func TestNamesAreTrimmedAndThoseThatCantBeAreRefused(t *testing.T) {
	name, err := CheckName("  Ein Name \t")
	require.NoError(t, err)
	require.Equal(t, "Ein Name", name)
	_, err = CheckName(strings.Repeat("ü", MaxNameRunes))
	require.NoError(t, err)
	for _, bad := range []string{"", " \n ", strings.Repeat("x", MaxNameRunes+1), "a\x00b", "a\x7f"} {
		_, err := CheckName(bad)
		var field *FieldError
		require.ErrorAs(t, err, &field, "%q", bad)
		require.Equal(t, "name", field.Field)
	}
	require.Error(t, CheckMode("manual"))
	require.Error(t, CheckKind("r"))
	require.Error(t, CheckSource(strings.Repeat("x", MaxSource+1)))
}
