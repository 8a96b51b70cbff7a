"""Values as a page can show them: by MIME type, bounded in size and time."""

import base64
import datetime
import decimal
import importlib.machinery
import io
import json
import math
import signal
import sys
import threading
import types

import system

TIME_LIMIT = 5.0  # seconds for one representation
TABLE_ROWS = 500
TABLE_CELLS = 50_000
TABLE_COLUMNS = 500
CELL_TEXT = 1000
TYPE_TEXT = 200
EXACT = 1 << 53  # whole numbers beyond it change when JavaScript reads them

METHODS = (
    ("_repr_html_", "text/html", False),
    ("_repr_markdown_", "text/markdown", False),
    ("_repr_svg_", "image/svg+xml", False),
    ("_repr_png_", "image/png", True),
    ("_repr_jpeg_", "image/jpeg", True),
    ("_repr_latex_", "text/latex", False),
    ("_repr_json_", "application/json", False),
)

PLAIN = (int, float, complex, bool, type(None), datetime.date, datetime.datetime)

BACKEND = "notebook_figures"

_stdout = None


class Overtime(BaseException):
    """A representation took too long. Not an Exception: those, code swallows."""


def warm_up():
    global _stdout
    import ctypes

    _stdout = ctypes.c_void_p.in_dll(system.libc, "stdout")
    formatter = Formatter(1 << 20)
    formatter.format([1])
    # Libraries import much only when it is first used: best here, once.
    try:
        if "matplotlib.pyplot" in sys.modules:
            importlib.import_module(BACKEND)
        if "pandas" in sys.modules:
            warm_up_pandas(sys.modules["pandas"], formatter)
        if "plotly" in sys.modules:
            importlib.import_module("plotly.graph_objects")
            importlib.import_module("plotly.io")
    except Exception:
        pass  # then it happens, or fails, in the cell that wants it


def warm_up_pandas(pandas, formatter):
    """Does what most notebooks do with a frame. What the interpreter notes in
    the code as it runs it stays in pages that all workers share."""
    frame = pandas.DataFrame({"a": [1, 2, 1], "b": [1.5, None, 2.5], "c": ["x", "y", "x"]})
    formatter.format(frame)
    groups = frame.groupby("a")["b"].agg(["mean", "sum", "count"]).reset_index()
    joined = frame.merge(groups, on="a").sort_values("b").query("b > 0")
    joined.pivot_table(index="a", columns="c", values="b", aggfunc="sum")
    joined[joined["b"] > 1].describe()
    joined.to_csv()


def flush_c_stdout():
    """Sends off what C code has printed through the C library."""
    system.libc.fflush(_stdout)


def guarded(function, fallback, seconds=TIME_LIMIT):
    """Calls function; in the main thread, ends it with Overtime when it takes
    longer, again and again if that is swallowed."""
    if threading.current_thread() is not threading.main_thread():
        return function()

    def over(_number, _frame):
        if not sending():
            raise Overtime

    before = signal.signal(signal.SIGALRM, over)
    rest, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
    try:
        try:
            return function()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Overtime:
        if fallback is raising:
            raise
        return fallback
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before if before is not None else signal.SIG_DFL)
        if rest:
            signal.setitimer(signal.ITIMER_REAL, rest, interval)


raising = object()
interrupted = lambda: False  # set by the worker: somebody interrupts the cell
sending = lambda: False  # set by the worker: a frame is being sent, wait for the next time


def notice(text):
    return {"text/plain": json.dumps(text)}


class Formatter:
    """Turns values into outputs: {MIME type: JSON text}, metadata."""

    def __init__(self, limit):
        self.limit = limit
        self.shown = set()  # ids of the figures that this run showed by name

    def format(self, value):
        try:
            if type(value) in PLAIN:
                data, metadata = {"text/plain": json.dumps(repr(value))}, {}
            else:
                data, metadata = guarded(lambda: self.represent(value), raising)
        except Overtime:
            return notice(f"This {type_name(value)} is not shown: showing it took longer than {TIME_LIMIT:g} s."), {}
        except MemoryError:
            return notice(f"This {type_name(value)} is not shown: showing it takes more memory than is left."), {}
        except BaseException as fault:
            if isinstance(fault, KeyboardInterrupt) and interrupted():
                raise
            return notice(f"This {type_name(value)} is not shown: {describe(fault)}."), {}
        return self.bound(value, data), metadata

    def bound(self, value, data):
        size = sum(map(len, data.values()))
        if size <= self.limit:
            return data
        return notice(
            f"This {type_name(value)} is not shown: its output of {size:,} bytes is larger than the limit of {self.limit:,}."
        )

    def represent(self, value):
        if is_kind(value, "pandas.core.frame", "DataFrame"):
            return frame(value), {}
        if is_kind(value, "plotly.basedatatypes", "BaseFigure"):
            return plotly_figure(value), {}
        if is_kind(value, "matplotlib.figure", "Figure"):
            self.shown.add(id(value))
            return figure_image(value), {}
        data, metadata, faults = {}, {}, []
        if not isinstance(value, type):
            self.bundle(value, data, metadata, faults)
            for method, mime, binary in METHODS:
                if mime not in data:
                    self.method(value, method, mime, binary, data, metadata, faults)
        if "text/plain" not in data:
            data["text/plain"] = json.dumps(plain(value))
        if faults:
            text = json.loads(data["text/plain"])
            data["text/plain"] = json.dumps("\n".join([text, *faults]))
        return data, metadata

    def bundle(self, value, data, metadata, faults):
        call = method_of(value, "_repr_mimebundle_")
        if call is None:
            return
        try:
            answer = call(value, include=None, exclude=None)
            if isinstance(answer, tuple) and len(answer) == 2:
                answer, extra = answer
                for key, item in dict(extra).items():
                    metadata[str(key)] = json.loads(json.dumps(item, allow_nan=False))
            for mime, item in dict(answer or {}).items():
                if item is not None:
                    data[str(mime)] = encode(mime, item)
        except Exception as fault:
            faults.append(f"(_repr_mimebundle_: {describe(fault)})")

    def method(self, value, method, mime, binary, data, metadata, faults):
        call = method_of(value, method)
        if call is None:
            return
        try:
            answer = call(value)
            if isinstance(answer, tuple) and len(answer) == 2 and mime != "application/json":
                answer, extra = answer
                metadata[mime] = json.loads(json.dumps(extra, allow_nan=False))
            if answer is not None:
                data[mime] = encode(mime, answer)
        except Exception as fault:
            faults.append(f"({method}: {describe(fault)})")

    def figures(self):
        """Yields the outputs of pyplot's open figures, and closes them."""
        helpers = sys.modules.get("matplotlib._pylab_helpers")
        managers = list(helpers.Gcf.figs.values()) if helpers else ()
        try:
            for manager in managers:
                figure = manager.canvas.figure
                helpers.Gcf.destroy(manager)
                if id(figure) not in self.shown:
                    yield self.format(figure)
        finally:
            self.shown.clear()

    def close_figures(self):
        helpers = sys.modules.get("matplotlib._pylab_helpers")
        if helpers and helpers.Gcf.figs:
            helpers.Gcf.destroy_all()
        self.shown.clear()


def type_name(value):
    kind = type(value)
    try:
        name = kind.__name__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__name__}"
    except BaseException:  # a metaclass has its own idea of them
        return "object"
    return name if len(name) <= TYPE_TEXT else name[:TYPE_TEXT] + "…"


def describe(fault):
    try:
        text = str(fault)
    except Exception:
        text = ""
    return f"{type(fault).__name__}: {text[:500]}" if text else type(fault).__name__


def is_kind(value, module, name):
    """Tells whether value is of a class of a library, without importing it."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and kind in type(value).__mro__


def method_of(value, name):
    """A method of the value's class. The value isn't asked: objects that claim
    to have every attribute would claim these, too."""
    for kind in type(value).__mro__:
        if name in vars(kind):
            call = getattr(type(value), name)
            return call if callable(call) else None
    return None


def plain(value):
    try:
        return repr(value)
    except Exception as fault:
        return f"<{type_name(value)} object> (its __repr__ raised {describe(fault)})"


def encode(mime, value):
    """Returns the JSON text of one representation."""
    if isinstance(value, (bytes, bytearray)):
        return json.dumps(base64.b64encode(value).decode())
    if isinstance(value, str):
        return json.dumps(value)
    if mime == "application/json" or mime.endswith("+json"):
        return json.dumps(value, allow_nan=False)
    raise TypeError(f"{mime} must be text, not {type(value).__name__}")


def plotly_figure(figure):
    count = len(figure.data)
    text = f"{type(figure).__name__} with {count} trace{'' if count == 1 else 's'}"
    return {"application/vnd.plotly.v1+json": figure.to_json(), "text/plain": json.dumps(text)}


def figure_image(figure):
    buffer = io.BytesIO()
    if figure.canvas is None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", bbox_inches="tight")
    image = base64.b64encode(buffer.getbuffer()).decode()
    return {"image/png": json.dumps(image), "text/plain": json.dumps(repr(figure))}


def frame(table):
    """A data frame: its first rows for the page's table, and pandas' own
    views, that are bounded by pandas' display options."""
    total, width = table.shape
    width = min(width, TABLE_COLUMNS)
    count = min(total, TABLE_ROWS, max(TABLE_CELLS // max(width, 1), 10))
    head = table.iloc[:count, :width]
    columns, values = [], []
    index = head.index
    ordinary = type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1 and index.name is None
    if not ordinary:
        for level in range(index.nlevels):
            one = index.get_level_values(level)
            columns.append({"name": label(index.names[level]), "type": str(one.dtype)})
            values.append([cell(value) for value in one])
    index_columns = len(columns)
    for position in range(width):
        column = head.iloc[:, position]
        columns.append({"name": label(table.columns[position]), "type": str(column.dtype)})
        values.append([cell(value) for value in column])
    rows = [list(row) for row in zip(*values)] if values else [[] for _ in range(count)]
    shown = {"columns": columns, "rows": rows, "total_rows": total}
    if index_columns:
        shown["index_columns"] = index_columns
    data = {
        "application/vnd.notebook.table+json": json.dumps(shown, allow_nan=False),
        "text/plain": json.dumps(repr(table)),
    }
    html = table._repr_html_()
    if html is not None:
        data["text/html"] = json.dumps(html)
    return data


def label(name):
    if name is None:
        return ""
    if isinstance(name, tuple):
        return " / ".join(map(label, name))
    return str(name)[:CELL_TEXT]


def cell(value):
    """One value of a table as JSON can carry it, and JavaScript read it."""
    if value is None:
        return None
    if hasattr(value, "item") and type(value).__module__ == "numpy":
        value = value.item()
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -EXACT <= value <= EXACT else str(value)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return value if len(value) <= CELL_TEXT else value[:CELL_TEXT] + "…"
    kind = type(value).__name__
    if kind in ("NaTType", "NAType"):
        return None
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return None if value.is_nan() else str(value)
    text = str(value) if not isinstance(value, (bytes, bytearray)) else repr(bytes(value[:CELL_TEXT]))
    return text if len(text) <= CELL_TEXT else text[:CELL_TEXT] + "…"


show_figures = None  # set by the worker: shows pyplot's figures now


class FigureBackendFinder:
    """Finds the matplotlib backend that MPLBACKEND names. As a finder instead
    of a file on sys.path, nothing in a cell's folder can stand in for it."""

    def find_spec(self, name, path=None, target=None):
        if name == BACKEND:
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def create_module(self, spec):
        return types.ModuleType(spec.name, "Draws by Agg; plt.show() shows the figures below the cell.")

    def exec_module(self, module):
        from matplotlib.backend_bases import FigureManagerBase
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        class FigureCanvas(FigureCanvasAgg):
            manager_class = FigureManagerBase

        def show(*_arguments, **_options):
            if show_figures is not None:
                show_figures()

        module.FigureCanvas = FigureCanvas
        module.FigureManager = FigureManagerBase
        module.show = show
