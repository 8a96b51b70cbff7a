"""A worker: the process in which the cells of one notebook run.

It is forked from the warm parent, gives up every power it doesn't need, and
then runs what its control socket asks for, one request after the other.

The control socket carries packets. Each packet of ours starts with a token
that only this process and the service know, so that whatever a cell writes to
descriptors that it found by trying is dropped by the service as not ours.

    packet   token (8) · kind (1) · flags (1) · run (4, big endian) · payload
    kinds    h hello · o stdout · e stderr · d display · f finished · r reply · x fault

A payload too large for one packet is cut; flag 1 is set in all but the last.
Flag 2 says that the run's pipes held text when the frame was sent, which came
first: the payload then begins with how many bytes each held (4, native). What
else the service finds in them came later.
"""

import _signal
import _thread
import asyncio
import builtins
import fcntl
import functools
import gc
import importlib.util
import io
import json
import linecache
import mmap
import os
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import traceback
import types
import warnings

import cells
import faults
import inspection
import outputs
import system

EXIT_FAULT = 113  # the worker itself failed
EXIT_CHANNEL = 114  # a cell closed or replaced the control socket
EXIT_ORPHAN = 115  # the service is gone

EMPTY = b"\0\0\0\0"
CHUNK = 60_000  # payload bytes of one packet


def prepare():
    """Runs in the parent, before the preload: what must be there by then."""
    sys.meta_path.append(outputs.FigureBackendFinder())


modules = {}  # those of the service's other parts, by name


def load_modules(files):
    """Runs in the parent. The modules are kept out of sys.modules: a cell that
    imports one of the same name means another."""
    folder = os.path.dirname(os.path.abspath(__file__))
    for file in files:
        name = file.removesuffix(".py")
        spec = importlib.util.spec_from_file_location(name, os.path.join(folder, file))
        modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(modules[name])


def warm_up():
    """Runs in the parent, after the preload: what each worker would otherwise
    do for itself, and what changes modules in ways that all workers want."""
    inspection.patch_getfile()
    outputs.warm_up()
    cells.prepare("warm", "x = 1\nx").code
    asyncio.new_event_loop().close()
    warnings.filterwarnings("ignore", message=".*is multi-threaded, use of fork", category=DeprecationWarning)
    linecache.clearcache()


class Channel:
    """The worker's end of the control socket."""

    def __init__(self, fd, token):
        self.socket = socket.socket(fileno=fd)
        self.socket.setblocking(True)
        # One for all packets: to get this much anew takes the system longer
        # than a small cell runs.
        self.packet = bytearray(1 << 17)
        self.room = [self.packet]
        self.token = token
        self.owner = threading.Lock()
        self.holder = 0
        self.backlog = []
        self.pid = os.getpid()

    def receive(self):
        """Returns the next request and its descriptors."""
        parts, fds = [], []
        while True:
            size, ancillary, _flags, _address = self.socket.recvmsg_into(self.room, 64)
            if not size:
                os._exit(EXIT_ORPHAN)
            for level, kind, payload in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    count = len(payload) // 4
                    fds.extend(struct.unpack(f"{count}i", payload[: count * 4]))
            parts.append(self.packet[1:size])
            if not self.packet[0]:
                return json.loads(b"".join(parts)), fds

    def send(self, kind, run, payload):
        """Sends one frame whole. A call from within a call, as a finalizer can
        make, is sent by the outer one when that is done."""
        if os.getpid() != self.pid:
            return  # a forked child has no say here
        me = _thread.get_ident()
        if self.holder == me:
            self.backlog.append((kind, run, payload))
            return
        with state.uninterrupted, self.owner:
            self.holder = me
            try:
                self.write(kind, run, payload)
                while self.backlog:
                    self.write(*self.backlog.pop(0))
            except OSError:
                os._exit(EXIT_CHANNEL)
            finally:
                self.holder = 0

    def write(self, kind, run, payload):
        order = 0
        if kind in b"oed" and (held := unread()):
            order, payload = 2, held + payload
        size = len(payload)
        if size <= CHUNK:
            self.socket.send(self.token + kind + b"\0\1\2"[order : order + 1] + run.to_bytes(4, "big") + payload)
            return
        head, last = self.token + kind, run.to_bytes(4, "big")
        view = memoryview(payload)
        for start in range(0, size, CHUNK):
            flags = order | (1 if start + CHUNK < size else 0)
            self.socket.send(head + bytes((flags,)) + last + view[start : start + CHUNK])


def unread():
    """Returns how many bytes the pipes at descriptors 1 and 2 hold, 4 bytes for
    each; nothing if both are empty."""
    held = b""
    for fd in (1, 2):
        try:
            held += fcntl.ioctl(fd, termios.FIONREAD, EMPTY)
        except OSError:
            held += EMPTY  # closed, or something else, by a cell
    return held if any(held) else b""


class Uninterrupted:
    """Holds an interrupt back while the main thread is inside."""

    def __enter__(self):
        if _thread.get_ident() == state.main:
            state.held += 1

    def __exit__(self, *_):
        if _thread.get_ident() == state.main:
            state.held -= 1
            if state.pending and not state.held:
                state.pending = False
                if state.running:
                    raise KeyboardInterrupt


class State:
    """What the parts of this process share."""

    def __init__(self):
        self.main = _thread.get_ident()
        self.pid = os.getpid()
        self.run = 0  # the run under way, or the last one
        self.running = False  # an interrupt may be raised
        self.held, self.pending = 0, False
        self.interrupted = False  # this run has noticed an interrupt
        self.nudging = _thread.allocate_lock()  # while an interrupt is being repeated
        self.uninterrupted = Uninterrupted()
        self.threads = {}  # ident of a cell's thread -> the run that started it
        self.loop = None
        self.channel = None

    def forget_interrupts(self):
        """What was meant for the work before must not reach the next."""
        with self.nudging:
            pass  # a signal that is on its way has arrived by now
        self.pending = self.interrupted = False

    def begin(self):
        """From here on an interrupt is raised; one that came early, too."""
        self.running = True
        if self.pending:
            self.pending = False
            raise KeyboardInterrupt


state = None


class ChannelFile(io.RawIOBase):
    """The raw file below sys.stdout and sys.stderr. In the worker, what is
    written goes to the service in order with all other output; in a forked
    child, to the descriptor, which is the pipe of the cell that forked."""

    def __init__(self, fd, kind):
        self.fd, self.kind = fd, kind

    def writable(self):
        return True

    def fileno(self):
        return self.fd

    def isatty(self):
        return False

    def write(self, data):
        if os.getpid() != state.pid:
            return os.write(self.fd, data)
        if self.kind == b"e":
            sys_stdout.flush()
        size = len(data)
        state.channel.send(self.kind, state.run, bytes(data))
        return size


class Stream(io.TextIOWrapper):
    """sys.stdout or sys.stderr while no thread of an earlier run is alive:
    as quick as Python's own."""


class RoutedStream(Stream):
    """The same object while there are such threads: what they print goes to
    the cell that started them."""

    def write(self, text):
        run = state.threads.get(_thread.get_ident())
        if run is None or run == state.run and state.running:
            return super().write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if os.getpid() == state.pid:
            state.channel.send(self.buffer.raw.kind, run, text.encode("utf-8", "backslashreplace"))
            return len(text)
        return super().write(text)


sys_stdout = sys_stderr = None


def open_streams():
    global sys_stdout, sys_stderr
    sys_stdout = Stream(
        io.BufferedWriter(ChannelFile(1, b"o"), 32768), encoding="utf-8", errors="backslashreplace"
    )
    sys_stderr = Stream(
        io.BufferedWriter(ChannelFile(2, b"e"), 8192),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )
    for stream, name in ((sys_stdout, "<stdout>"), (sys_stderr, "<stderr>")):
        stream.mode = "w"
        stream.buffer.raw.name = name
    sys.stdout = sys.__stdout__ = sys_stdout
    sys.stderr = sys.__stderr__ = sys_stderr


def reopen_streams():
    """Gives the next cell streams to print to, where one before closed them:
    that would cost all cells after it their text."""
    if shut(sys_stdout) or shut(sys_stderr):
        open_streams()
    if shut(getattr(sys, "stdout", None)):
        sys.stdout = sys_stdout
    if shut(getattr(sys, "stderr", None)):
        sys.stderr = sys_stderr


def shut(stream):
    try:
        return stream.closed
    except ValueError:  # its buffer was detached
        return True
    except Exception:
        return False  # what a cell put there is its own affair


def route_streams():
    """Chooses between quick and routed streams; see those classes."""
    wanted = Stream
    for run in list(state.threads.values()):
        if run != state.run or not state.running:
            wanted = RoutedStream
    if sys_stdout.__class__ is not wanted:
        sys_stdout.__class__ = sys_stderr.__class__ = wanted


def flush_streams():
    for stream in (sys_stdout, sys_stderr):
        try:
            stream.flush()
        except Exception:
            pass  # closed or detached by a cell


def follow_threads():
    """Makes every thread that Python code starts belong to the run of the
    thread that started it."""

    def following(start):
        def start_following(function, *rest, **options):
            run = state.threads.get(_thread.get_ident(), state.run)

            def bootstrap(*arguments, **keywords):
                me = _thread.get_ident()
                state.threads[me] = run
                try:
                    return function(*arguments, **keywords)
                finally:
                    state.threads.pop(me, None)

            return start(bootstrap, *rest, **options)

        return start_following

    start = following(_thread.start_new_thread)
    _thread.start_new_thread = _thread.start_new = start
    if hasattr(threading, "_start_new_thread"):
        threading._start_new_thread = start
    if hasattr(threading, "_start_joinable_thread"):
        threading._start_joinable_thread = following(threading._start_joinable_thread)


def follow_forks(control, tick, lifeline):
    """A child must not inherit text that is not sent yet, nor the socket."""

    def flushing(start):
        @functools.wraps(start)
        def flush_and_start(*arguments, **keywords):
            flush_streams()
            return start(*arguments, **keywords)

        return flush_and_start

    # None of these runs the hooks of a fork.
    for module, name in ((subprocess, "_fork_exec"), (os, "system"), (os, "posix_spawn"), (os, "posix_spawnp")):
        if hasattr(module, name):
            setattr(module, name, flushing(getattr(module, name)))

    def in_child():
        state.threads.clear()
        sys_stdout.__class__ = sys_stderr.__class__ = Stream
        for fd in (control, tick, lifeline):
            try:
                os.close(fd)
            except OSError:
                pass

    os.register_at_fork(before=flush_streams, after_in_child=in_child)


def watch_ticks(tick):
    """Flushes what is printed when the service, that keeps the time, says so.
    It does while a cell runs, so an idle kernel never wakes.

    An interrupt that arrives just before the main thread enters a system call
    is noticed only after it: as long as none was noticed, it is repeated."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        try:
            data = os.read(tick, 512)
        except OSError:
            return  # closed by a cell: text then appears when buffers fill up
        if not data:
            os._exit(EXIT_ORPHAN)
        flush_streams()
        with state.nudging:
            # Of the run under way: what was meant for an earlier one may come late.
            if 0x80 | state.run & 0x7F in data and state.running and not state.interrupted:
                signal.pthread_kill(state.main, signal.SIGINT)


def on_interrupt(_number, _frame):
    state.interrupted = True
    if os.getpid() == state.pid and (state.held or not state.running):
        state.pending = True  # for the end of what must not be interrupted
        return
    raise KeyboardInterrupt


def catch_interrupts():
    """Takes SIGINT back from a cell that has taken it."""
    # signal.getsignal looks for a member of an enumeration, too, which takes
    # longer than a small cell runs.
    if _signal.getsignal(signal.SIGINT) is not on_interrupt:
        signal.signal(signal.SIGINT, on_interrupt)


def no_input(prompt="", /):
    raise RuntimeError("input() can't ask here: a cell has nobody to wait for. Set a variable in a cell instead.")


def limit(config):
    """Sets the limits; returns the lowest descriptor that is out of bounds."""
    baseline = {}
    with open("/proc/self/status", "rb") as file:
        for line in file:
            name, _, rest = line.partition(b":")
            if name in (b"VmData", b"VmSize", b"VmStk"):
                baseline[name] = int(rest.split()[0]) * 1024
    memory = config["memory"]
    wanted = [
        # Data is private memory that can be written to, so what counts is
        # what this kernel adds, not what it shares with the parent.
        (resource.RLIMIT_DATA, memory + baseline[b"VmData"] if memory else 0),
        # Addresses bound shared mappings too; many libraries reserve far
        # more of them than they use.
        (resource.RLIMIT_AS, 4 * memory + baseline[b"VmSize"] + (1 << 30) if memory else 0),
        (resource.RLIMIT_NPROC, config["processes"] + config["tasks"] if config["processes"] else 0),
        (resource.RLIMIT_FSIZE, config["file_size"]),
        (resource.RLIMIT_NOFILE, config["files"]),
    ]
    for kind, value in wanted:
        if value:
            _soft, hard = resource.getrlimit(kind)
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def hide(fds, files):
    """Moves descriptors beyond those that a cell gets, to places that differ
    from kernel to kernel. They stay open when the limit falls below them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    top = min(hard, 1 << 16) if hard != resource.RLIM_INFINITY else 1 << 16
    resource.setrlimit(resource.RLIMIT_NOFILE, (top, hard))
    lowest = max(min(files or 256, top - 64), 32)
    chance = random.SystemRandom()
    moved = []
    for fd in fds:
        moved.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, chance.randrange(lowest, max(top - 32, lowest + 1))))
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd, inheritable=True)
    start = 3
    for fd in sorted(moved):
        os.closerange(start, fd)
        start = fd + 1
    os.closerange(start, top)
    return moved


def drop_powers(config):
    # Undumpable, as the parent is, we could not write to our own /proc.
    system.prctl(system.PR_SET_DUMPABLE, 1)
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("800")  # rather this one than the service
    uid = config["uid"]
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    system.prctl(system.PR_SET_NO_NEW_PRIVS, 1)
    system.prctl(system.PR_SET_CHILD_SUBREAPER, 1)
    # With a user of its own, only its own children could look into it. As the
    # service's user, other kernels could.
    system.prctl(system.PR_SET_DUMPABLE, 0 if uid is None else 1)


def tie(lifeline):
    """Has the system kill this process when the service's end of the lifeline
    closes, whatever it is doing then."""
    F_SETSIG = 10
    fcntl.fcntl(lifeline, F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def main(control, tick, lifeline, config):
    global state
    os.setsid()
    # A description of our own: whom to kill is a property of it. It must be
    # opened before the change of user.
    own_lifeline = os.open(f"/proc/self/fd/{lifeline}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    control, tick, lifeline = hide([control, tick, own_lifeline], config["files"])
    state = State()
    state.channel = Channel(control, bytes.fromhex(config["token"]))
    drop_powers(config)
    tie(lifeline)
    limit(config)
    work, temporary = os.path.join(config["dir"], "work"), os.path.join(config["dir"], "tmp")
    os.chdir(work)
    os.umask(0o077)
    environment = {**config["env"], "HOME": work, "TMPDIR": temporary, "PWD": work}
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)  # the keeper ignores them

    open_streams()
    signal.signal(signal.SIGINT, on_interrupt)
    stack = threading.stack_size(256 * 1024)
    _thread.start_new_thread(watch_ticks, (tick,))
    threading.stack_size(stack)
    follow_threads()
    follow_forks(control, tick, lifeline)
    builtins.input = no_input
    sys.path.insert(0, work)
    sys.argv = [""]
    sys.dont_write_bytecode = False
    if "numpy" in sys.modules:
        # Its generator's state came from the parent, the same for all.
        sys.modules["numpy"].random.seed()
    space = Main("__main__")
    space.__builtins__ = builtins
    sys.modules["__main__"] = space
    kernel = Kernel(space.__dict__, config)
    Main.private = kernel.private
    builtins.display = kernel.display
    outputs.show_figures = kernel.show_figures
    outputs.sending = lambda: state.held > 0
    outputs.interrupted = lambda: state.interrupted
    gc.enable()
    state.channel.send(b"h", 0, b"{}")
    kernel.serve()


class Main(types.ModuleType):
    """The module of the cells. Pickle looks functions and classes up by their
    names, also the private ones, which have others here."""

    private = {}

    def __getattr__(self, name):
        if cells.is_private(name):
            for names in reversed(list(self.private.values())):
                for marked in names:
                    if cells.restore(marked) == name and marked in vars(self):
                        return vars(self)[marked]
        raise AttributeError(f"module '__main__' has no attribute {name!r}")


class Kernel:
    """Runs the cells of one notebook, one after the other."""

    def __init__(self, space, config):
        self.space = space
        self.prepared = {}  # cell id -> what was compiled of it last
        self.private = {}  # cell id -> names that only it can see
        self.compiling = False  # what fails now is the cell's text, not its code
        self.formatter = outputs.Formatter(config["output_limit"])
        self.pipes = []  # inodes of the run's pipes
        self.reserve = mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE)  # let go of when memory is short

    def serve(self):
        channel = state.channel
        while True:
            try:
                request, fds = channel.receive()
            except OSError:
                os._exit(EXIT_CHANNEL)
            match request["op"]:
                case "run":
                    if fds:
                        self.take_pipes(fds)
                    self.run(request)
                case "collect":
                    self.carry(request, fds, self.collect)
                case "bind":
                    self.carry(request, fds, self.bind)
                case "remove":
                    self.remove(request)
                    channel.send(b"r", request["run"], b"{}")
                case "import":
                    channel.send(b"r", request["run"], encode({"error": try_import()}))
                case "variables":
                    reply = outputs.guarded(lambda: inspection.variables(self.space), []) or []
                    channel.send(b"r", request["run"], encode({"variables": reply}))
                case "complete":
                    reply = outputs.guarded(
                        lambda: inspection.complete(self.space, request["source"], request["cursor"]), None
                    )
                    channel.send(b"r", request["run"], encode(reply or {}))

    def take_pipes(self, fds):
        """Makes a run's pipes the standard output of this process."""
        # Where a cell closed low descriptors, these took their places.
        high = [fd if fd > 2 else fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in fds]
        for fd, target in zip(high, (1, 2)):
            os.dup2(fd, target, inheritable=True)
            os.close(fd)
        if 0 in fds:
            os.close(0)
        self.pipes = [os.fstat(fd).st_ino for fd in (1, 2)]
        try:
            os.fstat(0)
        except OSError:  # a cell closed it, and the next file would take its place
            null = os.open("/dev/null", os.O_RDONLY)
            if null != 0:
                os.dup2(null, 0, inheritable=True)
                os.close(null)

    def has_pipes(self):
        """Tells whether the pipes are still where they were put."""
        try:
            return self.pipes == [os.fstat(1).st_ino, os.fstat(2).st_ino]
        except OSError:
            return False

    def remove(self, request):
        for name in request["names"]:
            self.space.pop(name, None)
        for cell in request["forget"]:
            self.forget(cell)

    def forget(self, cell):
        for name in self.private.pop(cell, ()):
            self.space.pop(name, None)

    def run(self, request):
        cell, space = request["cell"], self.space
        state.run = request["run"]
        self.remove(request)
        self.forget(cell)
        error, self.compiling = None, False
        state.forget_interrupts()
        reopen_streams()
        if state.threads:
            route_streams()
        catch_interrupts()
        started = time.perf_counter()
        try:
            error = self.attempt(cell, request["source"], request["defines"])
        except BaseException as fault:  # an interrupt in the last moment
            state.running = False
            error = fault
        elapsed = time.perf_counter() - started
        if os.getpid() != state.pid:
            leave_child(error)
        if state.threads:
            route_streams()
        answer = {"ms": elapsed * 1000}
        if error is not None:
            for name in request["defines"]:
                space.pop(name, None)
            self.forget(cell)
            self.formatter.close_figures()
            if isinstance(error, MemoryError):
                self.reserve = None
            answer["error"] = self.describe(error)
            error = None
            self.restock()
        flush_streams()
        outputs.flush_c_stdout()
        answer["clean"] = not state.threads and childless() and self.has_pipes()
        state.channel.send(b"f", state.run, encode(answer))

    def restock(self):
        """Gets the reserve back, when what needed it is forgotten."""
        if self.reserve is None:
            gc.collect()
            try:
                self.reserve = mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE)
            except MemoryError:
                pass

    def carry(self, request, fds, work):
        """Carries values through a file to the service or from it. Classes of
        cells may take part, so it can be interrupted as a cell can."""
        answer, self.carried = {}, ""
        state.forget_interrupts()
        self.compiling = False
        catch_interrupts()
        try:
            error = self.attempt_carry(request, fds, work)
        except BaseException as fault:  # an interrupt in the last moment
            state.running = False
            error = fault
        if os.getpid() != state.pid:
            leave_child(error)
        if error is not None:
            if isinstance(error, MemoryError):
                self.reserve = None
            told = self.describe(error)
            answer["error"] = {"variable": self.carried, "name": told["name"], "message": told["message"]}
            error = None
            self.restock()
        flush_streams()
        state.channel.send(b"r", request["run"], encode(answer))

    def attempt_carry(self, request, fds, work):
        """Returns what stopped the work, or None."""
        try:
            if not fds:
                raise OSError("no file descriptor is free in this kernel: close some of its files")
            with open(fds[0], "r+b") as file:
                state.begin()
                work(request, file)
                state.running = False
        except BaseException as fault:
            state.running = False
            return fault
        return None

    def collect(self, request, file):
        parts, size = [], 0
        for self.carried in request["names"]:
            if self.carried not in self.space:
                continue
            # An object of one member, without its braces.
            parts.append(modules["sqlvalues"].encode_parameters({self.carried: self.space[self.carried]})[1:-1].encode())
            size += len(parts[-1]) + 1
            if size > request["limit"]:
                raise ValueError(f"the values take more than {request['limit'] >> 20} MiB: pass fewer of them")
        self.carried = ""
        file.write(b"{" + b",".join(parts) + b"}")

    def bind(self, request, file):
        self.carried = request["name"]
        text = file.read().decode()
        try:
            import pandas
        except ImportError:
            pandas = None
        value = modules["sqlvalues"].decode_result(text, pandas)
        state.running = False  # bound or interrupted, not both
        if state.pending:
            raise KeyboardInterrupt
        self.space[self.carried] = value

    def describe(self, error):
        def describe():
            if self.compiling:
                return faults.describe_syntax(error)
            return faults.describe(error, cells.restore)

        name = type(error).__name__[: faults.MAX_NAME]
        slow = {"kind": "exception", "name": name, "message": "(its text takes too long to show)", "traceback": [name]}
        try:
            return outputs.guarded(describe, slow)
        except BaseException as fault:
            return {**slow, "message": f"(its text can't be shown: {type(fault).__name__})"}

    def attempt(self, cell, source, defines):
        """Runs the cell; returns what stopped it, or None."""
        try:
            prepared = self.prepared.get(cell)
            if prepared is None or prepared.source != source:
                self.compiling = True
                prepared = self.prepared[cell] = cells.prepare(cell, source, defines)
                self.compiling = False
            linecache.cache[prepared.filename] = prepared.lines
            if prepared.private:
                self.private[cell] = prepared.private
            state.begin()
            if prepared.code is not None:
                self.execute(prepared.code)
            if prepared.value is not None:
                value = self.execute(prepared.value)
                if value is not None and not prepared.hidden:
                    self.show("result", value)
                del value
            self.show_figures()
            state.running = False
        except BaseException as fault:
            state.running = False
            # Left in the failing frame, it would keep the frame, and this one.
            return fault
        return None

    def execute(self, code):
        result = eval(code, self.space)
        if code.co_flags & 0x80:  # CO_COROUTINE: it awaits at the top level
            return self.wait(result)
        return result

    def wait(self, coroutine):
        loop = state.loop
        if loop is None or loop.is_closed():
            loop = state.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
        task = loop.create_task(coroutine)
        try:
            return loop.run_until_complete(task)
        except KeyboardInterrupt:
            # If it was raised in the task itself, that has ended; to wait for it
            # would be to wait forever.
            if not task.done():
                task.cancel()
                try:
                    loop.run_until_complete(task)
                except BaseException:
                    pass
            raise

    def show(self, kind, value):
        self.emit(kind, *self.formatter.format(value))

    def emit(self, kind, data, metadata):
        flush_streams()
        run = state.threads.get(_thread.get_ident(), state.run)
        # The representations are JSON already, and may be large.
        parts = ",".join(f"{json.dumps(mime)}:{text}" for mime, text in data.items())
        frame = f'{{"kind":"{kind}","data":{{{parts}}},"metadata":{json.dumps(metadata)}}}'
        state.channel.send(b"d", run, frame.encode("utf-8", "replace"))

    def show_figures(self):
        for output in self.formatter.figures():
            self.emit("display", *output)

    def display(self, *objects, **_options):
        """Shows the objects below the cell, each in its richest form."""
        for value in objects:
            self.show("display", value)


def report_fault():
    """Tells the service why the worker can't go on, if it still can tell."""
    lines = traceback.format_exc()[-10_000:]
    if state is None:
        os.write(2, lines.encode("utf-8", "replace"))
        return
    state.channel.send(b"x", 0, lines.encode("utf-8", "replace"))


def try_import():
    """Tells why this user can't read Python's own modules, or ""."""
    try:
        spec = importlib.util.find_spec("colorsys")
        if spec is None:
            return "its standard library is not found"
        with open(spec.origin, "rb"):
            pass
        if not os.access(sys.executable, os.X_OK):
            return f"{sys.executable} can't be started"
    except OSError as fault:
        return str(fault)
    return ""


compact = json.JSONEncoder(separators=(",", ":"))


def encode(value):
    return compact.encode(value).encode("utf-8", "replace")


def childless():
    """Tells whether no process is below this one; as a subreaper, all that it
    started are. Then nobody else can hold the cell's pipes."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def leave_child(error):
    """Ends a child that a cell forked and that came out of the cell's end."""
    status = 0
    if error is not None:
        status = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
        if not isinstance(error, SystemExit):
            for line in faults.describe(error, cells.restore)["traceback"]:
                print(line, file=sys_stderr)
    flush_streams()
    os._exit(status & 0xFF)
