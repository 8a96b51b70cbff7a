package session_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// index is what is promised of how cells run, sentence by sentence, and the
// tests that hold each: "rule: …" is a rule of TestRules, the rest functions of
// the named package.
var index = []struct {
	says string
	held []string
}{
	{"cell p → cell c when c references a name that p defines", []string{"rule: a cell depends on the cells that define the names it references"}},
	{"Running a cell runs its descendants too, once each, in topological order, ties by page order", []string{"rule: running a cell runs its descendants too", "reactive.TestRunningACellRunsItsDescendantsOnceInTopologicalOrderTiesByPageOrder", "reactive.TestEveryOrderAndStatusIsThatOfThePlainModel"}},
	{"What is on the page is what is in the kernel: no hidden state", []string{"session.TestWhatIsOnThePageIsWhatIsInTheKernelThereIsNoHiddenState", "reactive.TestInAutoModeTheKernelEqualsAFreshRunOfThePageAfterAnyEdits", "reactive.TestOverlappingRunsEndAsAFreshRunOfThePage"}},

	// Names.
	{"Analysis is CPython's own", []string{"kernel.TestTheNamesOfRealModulesAreThoseThatTheyHave", "kernel.TestTheAnalyzerRunsNoCodeOfCells"}},
	{"Where visitors and the compiler disagree, the compiler is right", []string{"kernel.TestWhereVisitorsAndTheCompilerDisagreeTheCompilerIsRight"}},
	{"What compile() refuses is a syntax error", []string{"kernel.TestWhatPythonRefusesIsASyntaxError", "kernel.TestASyntaxErrorSaysWhere"}},
	{"Defined: every name bound at the cell's top level, and every global binding in a function", []string{"kernel.TestNamesThatACellDefinesAndReferences"}},
	{"A name that a cell deletes without binding it is referenced, not defined", []string{"kernel.TestDeletionsAndLoopVariablesAreToldApart", "kernel.TestNamesThatACellDefinesAndReferences"}},
	{"Referenced: every global name read anywhere in the cell that the cell has not bound before that read", []string{"kernel.TestNamesThatACellDefinesAndReferences"}},
	{"builtins count, so that a cell defining max becomes a parent of those who read it", []string{"rule: builtins count", "reactive.TestReferencesLeaveOutBuiltinsThatNoCellDefines"}},
	{"A read before the cell's own binding makes the name both; an edge to oneself is never a cycle", []string{"rule: a read before the cell's own binding makes the name both", "reactive.TestAnEdgeToOneselfIsNoCycle"}},
	{"Names that start with one underscore, and __, are private to the cell", []string{"rule: private names make no edges and no conflicts", "kernel.TestPrivateNamesBelongToTheirCell", "kernel.TestPrivateNamesAreRenamedWhereTheyAreVariablesAndNowhereElse"}},
	{"Dunder and __x names are public", []string{"rule: dunder and __x names are public"}},
	{"Comprehension targets and `except … as e` names are not definitions; a loop variable is", []string{"rule: comprehension targets and except names are no definitions"}},
	{"import * is refused with an error that says so", []string{"rule: import * is refused", "kernel.TestAStarImportIsRefused"}},
	{"Top-level await works", []string{"rule: top-level await works", "kernel.TestTopLevelAwaitWorks"}},
	{"A trailing ; hides the result", []string{"kernel.TestOnlyTheLastExpressionIsShownUnlessASemicolonHidesIt"}},
	{"A no-break space is read as a space", []string{"kernel.TestANoBreakSpaceIsReadAsASpace"}},
	{"Mutating an object in another cell is not tracked; the documentation says so where users will look", []string{"rule: mutating an object in another cell is not tracked"}},

	// Graph errors.
	{"Two cells that define the same name: neither runs, each error names the name and the other cells", []string{"rule: two cells that define the same name", "reactive.TestOfTwoCellsThatDefineTheSameNameNeitherRunsAndEachNamesTheOther"}},
	{"and offers _name for a loop variable", []string{"rule: a loop variable that two cells define", "reactive.TestALoopVariableInAConflictIsOfferedItsPrivateName"}},
	{"Fixing or deleting one runs the survivor without a click in auto mode", []string{"rule: fixing or deleting one of two definitions", "reactive.TestFixingOrDeletingOneOfTwoDefinitionsRunsTheSurvivorWithoutBeingAsked", "reactive.TestAQueuedCellThatAnEditKeepsFromRunningIsTakenOutOfTheQueueAndHeals"}},
	{"A cycle: every member errors with the names and cells on it; cells outside it run", []string{"rule: every member of a cycle errs", "reactive.TestEveryMemberOfACycleErrsAndCellsOutsideItRun"}},
	{"A cell that deletes another cell's name is a child of all other readers of it; two deleters are a cycle", []string{"rule: a cell that deletes another's name", "reactive.TestACellThatDeletesAnothersNameRunsAfterAllOtherReadersOfIt", "reactive.TestANameThatADeleterTookIsThereAgainWhenTheDeleterFailsOrGoes"}},
	{"Descendants of a cell with an error are blocked, show no stale output as if it were fresh, and name what blocks them", []string{"rule: descendants of a failed cell are blocked", "reactive.TestDescendantsOfAFailedCellAreBlockedNameItAndShowNothing"}},
	{"A cell with a syntax error defines nothing; its former readers rerun and fail by themselves", []string{"rule: a cell with a syntax error defines nothing", "reactive.TestFormerReadersOfACellWithASyntaxErrorRerunAndFailByThemselves"}},

	// Running.
	{"Before a cell runs, the names that it defined are removed", []string{"rule: before a cell runs"}},
	{"after an exception none of its new ones are kept", []string{"rule: after an exception", "kernel.TestNamesLeaveBeforeARunAndAfterAnException"}},
	{"A deleted or renamed definition leaves the kernel, and its readers rerun into an honest NameError", []string{"rule: a deleted or renamed definition leaves the kernel", "reactive.TestARenamedDefinitionLeavesTheKernelAndItsReadersRerunIntoANameError", "reactive.TestADeletedDefinitionLeavesTheKernelAndItsReadersRerunIntoANameError"}},
	{"A definition that appears heals its waiting readers by itself", []string{"rule: a definition that appears heals", "reactive.TestADefinitionThatAppearsHealsItsWaitingReaders"}},
	{"Auto mode: run the cell and its descendants", []string{"rule: running a cell runs its descendants too"}},
	{"Lazy mode: run the cell, and the stale ancestors that it needs; mark descendants stale", []string{"rule: lazy mode runs the cell", "reactive.TestLazyModeRunsTheCellAndItsStaleAncestorsAndMarksDescendantsStale", "reactive.TestInLazyModeARequestedCellSeesTheValuesOfAFreshRun"}},
	{"Stale ancestors of a requested cell, and those that never ran, run first", []string{"rule: stale ancestors of a requested cell", "reactive.TestAncestorsThatNeverRanRunFirst"}},
	{"A cell that was asked for always runs", []string{"rule: a cell that was asked for always runs", "reactive.TestACellThatWasAskedForAlwaysRuns"}},
	{"Disabled cells don't run, nor do their descendants; their names stay", []string{"rule: disabled cells don't run", "reactive.TestDisabledCellsDontRunNorTheirDescendantsAndTheirNamesStay"}},
	{"Enabling a cell runs it only if it has become stale", []string{"rule: enabling a cell runs it only if", "reactive.TestEnablingACellRunsItOnlyIfItHasBecomeStale"}},
	{"Moving cells, and edits that compile to the same code, make nothing stale", []string{"rule: moving cells", "kernel.TestTheFingerprintIsThatOfTheCode"}},
	{"A run requested while another is under way is queued and merged: no cell runs twice for the same inputs", []string{"rule: a run requested while another is under way", "reactive.TestOverlappingRequestsAreMergedSoThatNoCellRunsTwiceForTheSameInputs"}},
	{"An edit to a running cell doesn't disturb it and marks it stale", []string{"rule: an edit to a running cell", "reactive.TestAnEditToARunningCellDoesntDisturbItAndMarksItStale"}},
	{"Interrupt stops C calls that release to signals", []string{"kernel.TestAnInterruptStopsCCallsThatReleaseToSignals", "kernel.TestEveryInterruptIsNoticed", "kernel.TestAnInterruptThatComesBeforeTheCellHasBegunIsNoticed"}},
	{"can't be swallowed by `except Exception`, and drops the queue", []string{"rule: interrupt stops the cell", "reactive.TestInterruptDropsTheQueueAndWhatWasInItIsStale"}},
	{"a cell that ignores it is killed with its kernel, and the user is told so", []string{"rule: a cell that ignores an interrupt is killed", "kernel.TestACellThatSwallowsInterruptsIsKilledWithItsKernel"}},

	// Kernels.
	{"One CPython process for each open notebook, forked from a warm parent", []string{"rule: there is one process for each open notebook"}},
	{"that has imported the configured packages already", []string{"kernel.TestMissingPreloadedModulesAreReported"}},
	{"The parent runs no user code", []string{"kernel.TestKernelsShareNothing"}},
	{"The parent is made again when it dies", []string{"kernel.TestAParentThatDiesIsReplacedAndKernelsGoOn", "kernel.TestAKeeperThatDiesTakesTheKernelsAndIsReplaced"}},
	{"A dead kernel is replaced at the next run, with the reason shown: exit code, signal, out of memory, time limit", []string{"rule: a dead kernel is replaced at the next run", "session.TestADeadKernelIsReplacedAtTheNextRunWithTheReasonShownItsTimeLimit"}},
	{"user code that prints, closes or writes to any descriptor can't corrupt the channel", []string{"kernel.TestWritesToEveryOpenDescriptorAreNotMistakenForTheWorkers", "kernel.TestClosedDescriptors0To20DisturbNothing", "kernel.TestClosedStdoutCostsOnlyTheText", "kernel.TestAKernelWhoseChannelIsClosedDiesAndSaysSo"}},
	{"print from threads and child processes reaches the cell that started them", []string{"kernel.TestLateTextReachesTheCellThatStartedItsWriter", "kernel.TestTextOfCCodeAndChildrenIsTheCells"}},
	{"input() raises a clear error", []string{"kernel.TestInputRaisesAClearError"}},
	{"A kernel gets none of the service's secrets: a scrubbed environment", []string{"kernel.TestTheServicesSecretsAreOutOfReach"}},
	{"its own process group, working directory and temporary folder, limits, and user", []string{"kernel.TestAKernelHasAProcessGroupFoldersAndLimitsOfItsOwn", "kernel.TestLimitsOnFilesHold", "kernel.TestACellThatTakesTooMuchMemoryGetsAMemoryError"}},
	{"a fork bomb must starve nobody else", []string{"kernel.TestAForkBombStopsAtTheLimitAndIsGoneOnClose"}},
	{"Stopping a kernel kills all that it started, also what called setsid", []string{"kernel.TestWhatCalledSetsidIsGoneOnClose", "kernel.TestWhatAKernelLeftIsGoneWhenItEndsByItself", "kernel.TestFilesOfAKernelAreGoneOnClose"}},
	{"no kernel outlives the service, however that ends", []string{"kernel.TestNoKernelOutlivesTheServiceHoweverItEnds"}},
	{"Where the service isn't root, it makes itself undumpable", []string{"kernel.TestWhereTheServiceIsNotRootItsProcIsClosedToKernelsOfTheSameUser"}},
	{"Rich output: the last expression's value, display(), the _repr_ methods", []string{"kernel.TestACellPrintsShowsItsValueAndFinishes", "kernel.TestDisplayCanBeReplaced", "kernel.TestRepresentationsOfACellsOwnClasses"}},
	{"open matplotlib figures at the end of the cell, Plotly figures as Plotly JSON, pandas frames as tables", []string{"kernel.TestOpenFiguresAreShownOnceAtTheEnd", "kernel.TestAPlotlyFigureIsPlotlyJSON", "kernel.TestAFrameIsATable", "kernel.TestAFrameOfAMillionRowsSendsItsFirstPage", "kernel.TestOddFramesAreTables"}},
	{"A representation that raises, loops or is too large costs only that output", []string{"kernel.TestHugeAndEndlessRepresentationsCostOnlyThemselves", "kernel.TestWhateverARepresentationRaisesCostsOnlyThatOutput", "kernel.TestFailingAndFakeRepresentationsCostOnlyThemselves", "kernel.TestHostileFramesAndFiguresCostOnlyThemselves"}},
	{"Idle kernels are stopped after the timeout without a run and a client; the notebook shows its kept outputs, and runs again at the next run", []string{"session.TestIdleKernelsAreStoppedAfterTheTimeoutWithoutARunAndAClientAndRunAgainAtTheNextRun"}},
	{"SQL cells run in the service; {name} is a reference, bound as a parameter", []string{"session.TestASQLCellReadsVariablesAndFeedsTheCellsBelow", "sqlcell.TestSQLiteParametersAreBound", "sqlcell.TestReferencesAreThePlaceholdersOutsideOfTextAndNames"}},
	{"The rows become the variable in the kernel: a pandas frame where pandas is there, else a list of dicts", []string{"sqlcell.TestKernelsSideReadsAndWritesEveryType", "session.TestManyRowsReachTheKernel"}},
	{"Statements have a time limit and a row limit, and an interrupt cancels them on the server", []string{"session.TestInterruptStopsALongStatementAndDropsTheQueue", "session.TestACellTimeoutEndsAStatement", "sqlcell.TestSQLiteRunsInterruptsAndTimeLimits", "sqlcell.TestPostgreSQL"}},
}

// No sentence of the index points at a test that isn't there.
func TestEverySentenceOfHowCellsRunHasItsTest(t *testing.T) {
	there, rules := map[string]bool{}, []string{}
	files, err := filepath.Glob("../*/*_test.go")
	require.NoError(t, err)
	for _, file := range files {
		syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range syntax.Decls {
			if f, is := d.(*ast.FuncDecl); is && f.Recv == nil {
				there[filepath.Base(filepath.Dir(file))+"."+f.Name.Name] = true
			}
		}
		ast.Inspect(syntax, func(n ast.Node) bool {
			call, is := n.(*ast.CallExpr)
			if !is || len(call.Args) != 2 {
				return true
			}
			if f, is := call.Fun.(*ast.Ident); !is || f.Name != "rule" {
				return true
			}
			ast.Inspect(call.Args[0], func(n ast.Node) bool {
				if text, is := n.(*ast.BasicLit); is {
					says, err := strconv.Unquote(text.Value)
					require.NoError(t, err)
					rules = append(rules, says)
				}
				return true
			})
			return true
		})
	}
	require.NotEmpty(t, rules)
	for _, sentence := range index {
		require.NotEmpty(t, sentence.held, sentence.says)
		for _, test := range sentence.held {
			rule, is := strings.CutPrefix(test, "rule: ")
			if !is {
				require.True(t, there[test], "%s: there is no test %s", sentence.says, test)
				continue
			}
			found := false
			for _, says := range rules {
				found = found || strings.HasPrefix(says, rule)
			}
			require.True(t, found, "%s: there is no rule %q", sentence.says, rule)
		}
	}
}
