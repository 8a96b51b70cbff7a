package reactive

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// binds and reads make programs; names are given as in a call.
func binds(names ...string) program { return program{binds: names} }

func (p program) reading(names ...string) program {
	p.reads = names
	return p
}

func (p program) failing() program {
	p.fails = true
	return p
}

func (p program) version(n int) program {
	p.text = n
	return p
}

// page makes a notebook whose cells c1, c2, … have all been run.
func page(mode notebook.Mode, programs ...program) *world {
	w := newWorld(mode)
	for _, p := range programs {
		w.insert(len(w.page), p)
	}
	w.request(w.e.All()...)
	return w
}

func TestRunningACellRunsItsDescendantsOnceInTopologicalOrderTiesByPageOrder(t *testing.T) {
	w := page(notebook.Auto,
		binds("d").reading("b", "c"), // c1
		binds("c").reading("a"),      // c2
		binds("b").reading("a"),      // c3
		binds("a"),                   // c4
		binds("z"),                   // c5: depends on nothing
	)
	require.Equal(t, []string{"c4", "c2", "c3", "c1"}, w.request("c4"))
	require.Equal(t, []string{"c3", "c1"}, w.request("c3"))
}

func TestAnEdgeToOneselfIsNoCycle(t *testing.T) {
	w := page(notebook.Auto, binds("x").reading("x"))
	require.Equal(t, "error exception NameError", w.statuses()["c1"])
}

func TestOfTwoCellsThatDefineTheSameNameNeitherRunsAndEachNamesTheOther(t *testing.T) {
	w := page(notebook.Auto, binds("x", "y"), binds("x"), binds("z").reading("y"))
	require.Empty(t, w.started)
	v := w.e.View("c1")
	require.Equal(t, notebook.ErrMultipleDefinition, v.Error.Kind)
	require.Equal(t, []string{"x"}, v.Error.Names)
	require.Equal(t, []string{"c2"}, v.Error.Cells)
	require.Equal(t, "blocked by c1", w.statuses()["c3"])
}

func TestALoopVariableInAConflictIsOfferedItsPrivateName(t *testing.T) {
	w := newWorld(notebook.Auto)
	w.insert(0, binds("i"))
	w.insert(1, binds("i"))
	s := w.src("c1")
	s.Analysis.LoopNames = []string{"i"}
	w.e.Edit(s)
	w.edit("c2", binds("i").version(1))
	w.remove("c2")
	w.insert(1, binds("i"))
	require.Contains(t, w.e.View("c1").Error.Message, "_i")
	require.NotContains(t, w.e.View("c3").Error.Message, "_i")
}

func TestFixingOrDeletingOneOfTwoDefinitionsRunsTheSurvivorWithoutBeingAsked(t *testing.T) {
	for name, mend := range map[string]func(*world) []string{
		"fixing":   func(w *world) []string { w.edit("c2", binds("y")); return w.request("c2") },
		"deleting": func(w *world) []string { w.remove("c2"); return w.settle() },
	} {
		t.Run(name, func(t *testing.T) {
			w := page(notebook.Auto, binds("x"), binds("x"), binds("r").reading("x"))
			started := mend(w)
			require.Contains(t, started, "c1")
			require.Contains(t, started, "c3")
			require.Equal(t, "ok", w.statuses()["c1"])
			require.Equal(t, "ok", w.statuses()["c3"])
		})
	}
}

func TestASavedConflictThatIsNeverRunCostsNoResult(t *testing.T) {
	w := page(notebook.Auto, binds("x"), binds("r").reading("x"))
	w.insert(2, binds("x"))
	require.Equal(t, "error multiple-definition MultipleDefinitionError", w.statuses()["c1"])
	require.Equal(t, "blocked by c1,c3", w.statuses()["c2"])
	w.edit("c3", binds("xs"))
	require.Equal(t, map[string]string{"c1": "ok", "c2": "ok", "c3": "new"}, w.statuses())
	require.Contains(t, w.vars, "x")
}

func TestEveryMemberOfACycleErrsAndCellsOutsideItRun(t *testing.T) {
	w := page(notebook.Auto,
		binds("a").reading("b"), binds("b").reading("a"), // a cycle
		binds("c").reading("a"), // below it
		binds("d"),              // outside
	)
	require.Equal(t, []string{"c4"}, w.started)
	require.Equal(t, []string{"a", "b"}, w.e.View("c1").Error.Names)
	require.Equal(t, []string{"c2"}, w.e.View("c1").Error.Cells)
	require.Equal(t, "blocked by c1", w.statuses()["c3"])
}

func TestACellThatDeletesAnothersNameRunsAfterAllOtherReadersOfIt(t *testing.T) {
	w := page(notebook.Auto,
		program{deletes: []string{"x"}}, // c1
		binds("x"),                      // c2
		binds("y").reading("x"),         // c3
	)
	require.Equal(t, []string{"c2", "c3", "c1"}, w.started)
	require.NotContains(t, w.vars, "x")
	w.insert(3, program{deletes: []string{"x"}})
	require.Equal(t, "error cycle CycleError", w.statuses()["c1"], "two deleters are a cycle")
	require.Equal(t, "error cycle CycleError", w.statuses()["c4"])
}

func TestDescendantsOfAFailedCellAreBlockedNameItAndShowNothing(t *testing.T) {
	w := page(notebook.Auto, binds("a"), binds("b").reading("a"), binds("c").reading("b"))
	w.edit("c1", binds("a").failing())
	require.Equal(t, []string{"c1"}, w.request("c1"))
	require.Equal(t, map[string]string{
		"c1": "error exception Exception", "c2": "blocked by c1", "c3": "blocked by c1",
	}, w.statuses())
	require.ElementsMatch(t, []string{"c2", "c3"}, w.e.TakeCleared())
	require.Empty(t, w.vars)
	w.edit("c1", binds("a").version(2))
	require.Equal(t, []string{"c1", "c2", "c3"}, w.request("c1"))
}

func TestFormerReadersOfACellWithASyntaxErrorRerunAndFailByThemselves(t *testing.T) {
	w := page(notebook.Auto, binds("a"), binds("b").reading("a"))
	w.edit("c1", program{broken: true})
	require.Equal(t, "error syntax SyntaxError", w.statuses()["c1"], "it shows as soon as it is saved")
	require.Equal(t, "ok", w.statuses()["c2"])
	require.Equal(t, []string{"c2"}, w.request("c1"))
	require.Equal(t, "error exception NameError", w.statuses()["c2"])
}

func TestARenamedDefinitionLeavesTheKernelAndItsReadersRerunIntoANameError(t *testing.T) {
	w := page(notebook.Auto, binds("a"), binds("b").reading("a"))
	w.edit("c1", binds("z"))
	require.Equal(t, []string{"c1", "c2"}, w.request("c1"))
	require.Equal(t, "error exception NameError", w.statuses()["c2"])
	require.NotContains(t, w.vars, "a")
}

func TestADeletedDefinitionLeavesTheKernelAndItsReadersRerunIntoANameError(t *testing.T) {
	w := page(notebook.Auto, binds("a"), binds("b").reading("a"))
	w.remove("c1")
	require.Equal(t, []string{"c2"}, w.settle())
	require.Equal(t, "error exception NameError", w.statuses()["c2"])
}

func TestADefinitionThatAppearsHealsItsWaitingReaders(t *testing.T) {
	w := page(notebook.Auto, binds("b").reading("a"))
	require.Equal(t, "error exception NameError", w.statuses()["c1"])
	id := w.insert(0, binds("a"))
	require.Equal(t, []string{id, "c1"}, w.request(id))
	require.Equal(t, "ok", w.statuses()["c1"])
}

func TestLazyModeRunsTheCellAndItsStaleAncestorsAndMarksDescendantsStale(t *testing.T) {
	w := page(notebook.Lazy, binds("a"), binds("b").reading("a"), binds("c").reading("b"), binds("d").reading("c"))
	w.edit("c1", binds("a").version(1))
	require.Equal(t, []string{"c1"}, w.request("c1"))
	require.Equal(t, map[string]string{"c1": "ok", "c2": "stale", "c3": "stale", "c4": "stale"}, w.statuses())
	require.Equal(t, []string{"c2", "c3"}, w.request("c3"))
	require.Equal(t, "stale", w.statuses()["c4"])
}

func TestAncestorsThatNeverRanRunFirst(t *testing.T) {
	w := newWorld(notebook.Lazy)
	w.insert(0, binds("b").reading("a"))
	w.insert(1, binds("a"))
	require.Equal(t, []string{"c2", "c1"}, w.request("c1"))
}

func TestACellThatWasAskedForAlwaysRuns(t *testing.T) {
	w := page(notebook.Auto, binds("a"))
	require.Equal(t, []string{"c1"}, w.request("c1"))
}

func TestDisabledCellsDontRunNorTheirDescendantsAndTheirNamesStay(t *testing.T) {
	w := page(notebook.Auto, binds("a"), binds("b").reading("a"), binds("c").reading("b"))
	w.e.SetDisabled("c2", true)
	require.Equal(t, map[string]string{"c1": "ok", "c2": "disabled", "c3": "disabled by c2"}, w.statuses())
	require.Equal(t, []string{"c1"}, w.request("c1"))
	require.Contains(t, w.vars, "b")
}

func TestEnablingACellRunsItOnlyIfItHasBecomeStale(t *testing.T) {
	w := page(notebook.Auto, binds("a"), binds("b").reading("a"), binds("c").reading("b"))
	w.e.SetDisabled("c2", true)
	w.e.SetDisabled("c2", false)
	require.Empty(t, w.settle())
	w.e.SetDisabled("c2", true)
	w.request("c1")
	w.e.SetDisabled("c2", false)
	require.Equal(t, []string{"c2", "c3"}, w.settle())
}

func TestMovingCellsAndEditsThatCompileToTheSameCodeMakeNothingStale(t *testing.T) {
	w := page(notebook.Auto, binds("a"), binds("b").reading("a"))
	w.move("c1", 1)
	w.edit("c1", binds("a"))
	require.Equal(t, map[string]string{"c1": "ok", "c2": "ok"}, w.statuses())
}

func TestSavingAnEditMarksThatCellAloneAndTakingItBackUnmarksIt(t *testing.T) {
	w := page(notebook.Auto, binds("a"), binds("b").reading("a"))
	w.edit("c1", binds("a").version(1))
	require.Equal(t, map[string]string{"c1": "stale", "c2": "ok"}, w.statuses())
	w.edit("c1", binds("a"))
	require.Equal(t, "ok", w.statuses()["c1"])
}

func TestOverlappingRequestsAreMergedSoThatNoCellRunsTwiceForTheSameInputs(t *testing.T) {
	w := page(notebook.Auto, binds("a"), binds("b").reading("a"), binds("c").reading("b"))
	w.e.Request([]string{"c1"})
	_, ok := w.e.Next() // c1 runs
	require.True(t, ok)
	w.e.Request([]string{"c1", "c3"})
	w.e.Request([]string{"c2"})
	w.started = nil
	w.e.Finish(w.source["c1"].run(w.vars))
	require.Equal(t, []string{"c2", "c3"}, w.settle())
}

func TestAQueuedCellThatAnEditKeepsFromRunningIsTakenOutOfTheQueueAndHeals(t *testing.T) {
	w := page(notebook.Auto, binds("z"), binds("x"), binds("y").reading("x"))
	w.e.Request([]string{"c1", "c2"})
	w.start()
	w.insert(3, binds("x")) // saved while c1 runs
	require.Empty(t, w.settle())
	require.Equal(t, "blocked by c2,c4", w.statuses()["c3"])
	w.remove("c4")
	require.Equal(t, []string{"c2", "c3"}, w.settle())
}

func TestACircleWithADisabledCellIsFreeOfItOnceItIsEnabled(t *testing.T) {
	w := newWorld(notebook.Auto)
	w.insert(0, binds("a").reading("c"))
	w.insert(1, binds("b").reading("a"))
	w.insert(2, binds("c").reading("b"))
	w.e.SetDisabled("c2", true)
	require.Equal(t, map[string]string{"c1": "disabled by c2", "c2": "disabled", "c3": "disabled by c2"}, w.statuses())
	w.e.SetDisabled("c2", false)
	require.Equal(t, "error cycle CycleError", w.statuses()["c1"])
	require.Equal(t, "error cycle CycleError", w.statuses()["c3"])
}

func TestWhatAnEditPutsBelowAStaleCellBecomesStaleWithTheNextRunAbove(t *testing.T) {
	w := page(notebook.Lazy, binds("a"), binds("b").reading("a"), binds("c").reading("x"))
	w.request("c1")
	require.Equal(t, "stale", w.statuses()["c2"])
	w.edit("c2", binds("x").reading("a"))
	require.Equal(t, "error exception NameError", w.statuses()["c3"], "saving marks the saved cell alone")
	w.request("c1")
	require.Equal(t, "stale", w.statuses()["c3"])
}

func TestInLazyModeANameThatLeavesMakesItsReadersStaleAndWhatIsBelowThem(t *testing.T) {
	w := page(notebook.Lazy, binds("a"), binds("b").reading("a"), binds("d").reading("b", "c"), binds("c"))
	w.edit("c1", binds("z"))
	require.Equal(t, []string{"c1"}, w.request("c1"))
	require.Equal(t, map[string]string{"c1": "ok", "c2": "stale", "c3": "stale", "c4": "ok"}, w.statuses())
}

func TestNamesOfARunningCellThatIsEditedAndAskedForAreSeenByNoOtherCell(t *testing.T) {
	w := page(notebook.Auto, binds("r").reading("a"), binds("a"))
	w.e.Request([]string{"c2"})
	w.start()
	w.edit("c2", binds("b"))
	w.e.Request([]string{"c2"})
	w.settle()
	require.Equal(t, "error exception NameError", w.statuses()["c1"])
	require.NotContains(t, w.vars, "a")
}

func TestANameThatADeleterTookIsThereAgainWhenTheDeleterFailsOrGoes(t *testing.T) {
	deleter := program{deletes: []string{"x"}, fails: true, text: 1} // fails after it has deleted
	w := page(notebook.Auto, binds("x"), deleter)
	require.NotContains(t, w.vars, "x")
	w.edit("c2", binds("y").reading("x"))
	require.Equal(t, []string{"c1", "c2"}, w.request("c2"))
	require.Equal(t, "ok", w.statuses()["c2"])

	w.edit("c2", program{deletes: []string{"x"}})
	w.e.Request([]string{"c2"})
	w.start()
	w.remove("c2") // while it runs
	w.settle()
	require.Contains(t, w.vars, "x")
}

func TestAnEditToARunningCellDoesntDisturbItAndMarksItStale(t *testing.T) {
	w := page(notebook.Auto, binds("a"))
	w.e.Request([]string{"c1"})
	_, _ = w.e.Next()
	w.edit("c1", binds("a").version(7))
	require.Equal(t, "running", w.statuses()["c1"])
	w.e.Finish(nil)
	require.Equal(t, "stale", w.statuses()["c1"])
}

func TestInterruptDropsTheQueueAndWhatWasInItIsStale(t *testing.T) {
	w := page(notebook.Auto, binds("a"), binds("b").reading("a"), binds("z"))
	w.e.Request([]string{"c1", "c3"})
	_, _ = w.e.Next()
	w.e.Interrupt()
	w.e.Finish(notebook.NewError(notebook.ErrInterrupted, "KeyboardInterrupt", ""))
	require.False(t, w.e.Busy())
	require.Equal(t, map[string]string{
		"c1": "error interrupted KeyboardInterrupt", "c2": "blocked by c1", "c3": "stale",
	}, w.statuses())
}

func TestAfterTheKernelIsGoneResultsStayAndAncestorsRunFirst(t *testing.T) {
	w := page(notebook.Auto, binds("a"), binds("b").reading("a"), binds("z"))
	w.e.KernelGone()
	w.vars = map[string]uint64{}
	require.Equal(t, "ok", w.statuses()["c2"])
	require.Equal(t, []string{"c1", "c2"}, w.request("c2"))
}

func TestWhatRanBelowACellThatCameBetweenIsStaleWhenItsInputsChange(t *testing.T) {
	w := newWorld(notebook.Auto)
	for i, p := range []program{binds("c"), binds("d").reading("a"), binds("b").reading("c")} {
		w.insert(i, p)
	}
	w.e.Request([]string{"c1", "c2", "c3"})
	w.insert(0, binds("a").reading("b"))
	require.Equal(t, []string{"c1", "c2", "c3"}, w.settle())
	require.Equal(t, map[string]string{"c1": "ok", "c2": "stale", "c3": "ok", "c4": "new"}, w.statuses())
}

func TestACellIsNotAskedForItsNameOnceItWasRewritten(t *testing.T) {
	w := page(notebook.Auto, binds("a"), program{deletes: []string{"a"}})
	w.e.Edit(Source{ID: "c1", Analysis: Analysis{Code: "text"}})
	w.edit("c1", binds("b"))
	require.Equal(t, []string{"c2"}, w.e.Request([]string{"c2"}).Cells)
}

func TestACellThatBecomesTextWhileItRunsHasNoResults(t *testing.T) {
	w := page(notebook.Auto, binds("a"), binds("b").reading("a"))
	w.e.Request([]string{"c1"})
	require.True(t, w.start())
	w.e.Edit(Source{ID: "c1", Analysis: Analysis{Code: "text"}})
	w.settle()
	require.Equal(t, map[string]string{"c1": "new", "c2": "error exception NameError"}, w.statuses())
	require.NotContains(t, w.vars, "a")
}

func TestARunningCellThatIsDeletedLeavesNothing(t *testing.T) {
	w := page(notebook.Auto, binds("a"), binds("b"))
	w.e.Request([]string{"c1"})
	_, _ = w.e.Next()
	vars := w.source["c1"]
	w.remove("c1")
	w.e.Finish(vars.run(w.vars))
	w.settle()
	require.NotContains(t, w.vars, "a")
	require.Equal(t, []string{"c2"}, w.request("c2"))
}

func TestReasonsSayWhoAskedAndThroughWhichNamesItCame(t *testing.T) {
	w := page(notebook.Auto, binds("a", "b"), binds("c").reading("a", "b"))
	plan := w.e.Request([]string{"c1"})
	require.Equal(t, []string{"c1", "c2"}, plan.Cells)
	require.Equal(t, Reason{Because: BecauseRequested}, plan.Reasons["c1"])
	require.Equal(t, Reason{Because: BecauseInput, CellID: "c1", Names: []string{"a", "b"}}, plan.Reasons["c2"])
}

func TestWhatHundredsOfCellsAreInNamesSomeOfThemAndStopsAll(t *testing.T) {
	const many = 300
	var programs []program
	for i := range many {
		programs = append(programs, binds(fmt.Sprint("n", i)))
	}
	name := func(i int) string { return fmt.Sprint("c", i+1) }
	w := page(notebook.Auto, programs...)
	require.Len(t, w.vars, many)

	// A circle through all of them.
	for i := range many {
		w.edit(name(i), programs[i].reading(fmt.Sprint("n", (i+1)%many)))
	}
	err := w.e.View("c2").Error
	require.Equal(t, notebook.ErrCycle, err.Kind)
	require.Len(t, err.Cells, maxNamed)
	require.Equal(t, []string{"c1", "c3", "c4"}, err.Cells[:3])
	require.Len(t, err.Names, maxNamed)
	require.Contains(t, err.Message, fmt.Sprintf(" and %d more: none can run", many-maxNamed))
	require.Empty(t, w.request("c2"))
	require.Empty(t, w.vars, "what they left is gone, also of those that are not named")

	// A name that all of them define, and who reads it.
	for i := range many {
		w.edit(name(i), binds("x"))
	}
	reader := w.insert(0, binds().reading("x"))
	err = w.e.View("c2").Error
	require.Equal(t, notebook.ErrMultipleDefinition, err.Kind)
	require.Equal(t, []string{"x"}, err.Names)
	require.Len(t, err.Cells, maxNamed)
	require.Equal(t, []string{"c1", "c3", "c4"}, err.Cells[:3])
	require.Len(t, w.e.View(reader).BlockedBy, maxNamed)
}

func TestReferencesLeaveOutBuiltinsThatNoCellDefines(t *testing.T) {
	w := page(notebook.Auto, binds("a").reading("max", "b"))
	require.Equal(t, []string{"b"}, w.e.References("c1"))
	require.Empty(t, w.e.TakeReread())
	w.insert(0, binds("max"))
	require.Equal(t, []string{"c1"}, w.e.TakeReread())
	require.Empty(t, w.e.TakeReread())
	require.Equal(t, []string{"b", "max"}, w.e.References("c1"))
	require.Equal(t, []Edge{{"c2", "c1", []string{"max"}}}, w.e.Edges())
}

func TestASavedPageComesBackWithItsStates(t *testing.T) {
	saved := func(s notebook.Status, err *notebook.CellError) Saved {
		return Saved{Status: s, Error: err, ExecutionCount: 1}
	}
	failure := notebook.NewError(notebook.ErrException, "ValueError", "no")
	e := New(notebook.Auto, nil)
	var page []Source
	for i, p := range []program{binds("a"), binds("b"), binds("c").failing(), binds("d").reading("c"), binds("e")} {
		page = append(page, Source{ID: fmt.Sprintf("c%d", i+1), Runs: true, Analysis: p.analysis()})
	}
	e.Load(page, []Saved{
		saved(notebook.StatusOK, nil), saved(notebook.StatusStale, nil), saved(notebook.StatusError, failure),
		saved(notebook.StatusBlocked, nil), {Status: notebook.StatusQueued},
	})
	got := map[string]notebook.Status{}
	for _, s := range page {
		got[s.ID] = e.View(s.ID).Status
	}
	require.Equal(t, map[string]notebook.Status{
		"c1": notebook.StatusOK, "c2": notebook.StatusStale, "c3": notebook.StatusError,
		"c4": notebook.StatusBlocked, "c5": notebook.StatusNew,
	}, got)
	require.Equal(t, failure, e.View("c3").Error)
}

// chain is a page whose every cell reads the one before.
func chain(n int) *world {
	w := newWorld(notebook.Auto)
	for i := range n {
		p := binds(fmt.Sprintf("v%d", i))
		if i > 0 {
			p = p.reading(fmt.Sprintf("v%d", i-1))
		}
		id := fmt.Sprintf("c%d", i+1)
		w.source[id] = p
		w.page = append(w.page, id)
		w.e.cells[id] = &cell{id: id, pos: i, runs: true, analysis: p.analysis()}
		w.e.page = append(w.e.page, w.e.cells[id])
		w.e.names.add(w.e.cells[id])
	}
	w.e.survey()
	return w
}

func BenchmarkChainOf300Cells(b *testing.B) {
	w := chain(300)
	for b.Loop() {
		w.e.Request([]string{"c1"})
		for {
			if _, ok := w.e.Next(); !ok {
				break
			}
			w.e.Finish(nil)
			w.e.TakeChanges()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/300, "ns/cell")
}

func BenchmarkEditInANotebookOf5000Cells(b *testing.B) {
	w := chain(5000)
	w.request(w.e.All()...)
	i := 0
	for b.Loop() {
		i++
		w.edit("c4999", binds("v4998", fmt.Sprintf("n%d", i%2)).reading("v4997").version(i))
		w.e.Request([]string{"c4999"})
		if _, ok := w.e.Next(); !ok {
			b.Fatal("nothing started")
		}
		w.e.Finish(nil)
		w.settle()
	}
}
