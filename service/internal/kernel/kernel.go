// Package kernel runs the Python cells of notebooks: a CPython process for each
// open notebook, forked from a warm parent, and an analyzer that tells what a
// cell defines and references.
//
// It knows single cells and names, nothing of the graph between cells and
// nothing of documents; who runs what, and when, is the caller's business.
//
// Invariant: every process and every file that it or a cell's code made is
// gone when its kernel is closed, and no kernel outlives the service, however
// either ends.
package kernel

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// Limits hold for each kernel's process, that on memory for the analyzer, too;
// zero is no limit.
type Limits struct {
	Memory    int64 // bytes that a process may add to what it shares with the warm parent
	Processes int   // processes and threads; counted by user, see Options.UserIDs
	Files     int   // open files
	FileSize  int64 // bytes of one file
}

// Options of a Host. The zero value of each field is a sensible choice.
type Options struct {
	Python      string   // interpreter, such as "python3"
	Preload     []string // modules that the warm parent imports once; those that are missing are reported in Info
	Dir         string   // base of the kernels' working and temporary folders; "": one under the system's
	Limits      Limits
	UserIDs     [2]int // first and count of the user ids for kernels when running as root; zero: DefaultUserIDs
	Spares      int    // forked idle workers that are kept ready; 0: 2, negative: none
	StreamLimit int    // stream text that is kept of one run, bytes; 0: 1 MiB
	OutputLimit int    // one output, bytes; 0: 8 MiB
	// Modules are Python programs of the service's other parts, by file name,
	// that kernels have at hand without showing them to cells. "sqlvalues.py"
	// is the one that Kernel.Collect and Kernel.Bind go by.
	Modules map[string]string
	Log     *slog.Logger
}

// DefaultUserIDs lie beyond the ids of people and of packages, and below those
// that container engines hand out.
var DefaultUserIDs = [2]int{400_000, 20_000}

// Info describes the Python that a Host runs.
type Info struct {
	Version   string            // such as "3.11.7"
	Python    string            // the interpreter's path
	Preloaded []string          // modules that kernels have from the start
	Missing   map[string]string // modules that could not be imported: why
}

// Request is one run of a cell.
type Request struct {
	CellID  string
	Source  string
	Remove  []string      // names that leave the globals before the cell runs
	Forget  []string      // cells that are no more: their private names leave, too
	Defines []string      // after an exception, those of them that it bound leave
	Timeout time.Duration // 0: none
}

// Event is what a kernel reports: an Output, a Finished or a Died.
type Event interface{ event() }

// Output is something that a cell showed. Threads and child processes of a
// cell may go on showing things after it has finished.
type Output struct {
	CellID string
	Output notebook.Output
}

// Finished ends a run. Whatever the cell showed before is delivered by then.
type Finished struct {
	CellID   string
	Error    *notebook.CellError // nil when the cell ran to its end
	Duration time.Duration
}

// Died is a kernel's last event.
type Died struct {
	Reason string             // for people
	Cause  Cause              // for counting
	CellID string             // the cell that ran, or ""
	Kind   notebook.ErrorKind // notebook.ErrKernelDied, ErrTimeout or ErrInterrupted
}

// Cause is why a kernel died: one of the constants below, so that deaths can be
// counted by it.
type Cause string

const (
	CauseMemory    Cause = "memory"    // killed by SIGKILL, which is what the system does when memory runs out
	CauseSignal    Cause = "signal"    // another signal, such as SIGSEGV
	CauseExit      Cause = "exit"      // the process exited by itself
	CauseTimeout   Cause = "timeout"   // a cell went on after its time limit
	CauseInterrupt Cause = "interrupt" // a cell went on after it was interrupted
	CauseDamaged   Cause = "damaged"   // a cell broke the worker or its channel to the service
	CauseService   Cause = "service"   // a part of the service ended that kernels need
	CauseUnknown   Cause = "unknown"
)

// Causes returns every Cause.
func Causes() []Cause {
	return []Cause{
		CauseMemory, CauseSignal, CauseExit, CauseTimeout, CauseInterrupt, CauseDamaged, CauseService, CauseUnknown,
	}
}

func (Output) event()   {}
func (Finished) event() {}
func (Died) event()     {}

// Variable is a public global of a kernel.
type Variable struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Summary string `json:"summary"`
}

// Completion is what may stand in place of [Start, End), in UTF-16 units.
type Completion struct {
	Start   int     `json:"start"`
	End     int     `json:"end"`
	Matches []Match `json:"matches"`
}

// Match is one completion. Type is keyword, module, class, function, property
// or instance; Detail is a function's parameters or an instance's class.
type Match struct {
	Text   string `json:"text"`
	Type   string `json:"type"`
	Detail string `json:"detail"`
}

// ValueError says that a value could not be carried out of a kernel or into it.
type ValueError struct {
	Variable string // its name; "" when it is no single one's fault
	Name     string // of the exception, such as "TypeError"
	Message  string
}

func (e *ValueError) Error() string {
	if e.Variable == "" {
		return e.Name + ": " + e.Message
	}
	return e.Variable + ": " + e.Name + ": " + e.Message
}

// exitStatus is how a process ended.
type exitStatus struct {
	known  bool
	status int // as wait(2) gives it
}

type object = map[string]any

func decode[T any](data []byte) (T, error) {
	var value T
	err := json.Unmarshal(data, &value)
	return value, err
}
