"""The warm parent: imports the configured modules once and forks workers.

It runs no user code. What it has imported is frozen out of the collector's
sight, so that forked workers go on sharing the memory.

Started as: python -I -B parent.py CONFIG (JSON); descriptor 3 is its socket to
the service, 4 the lifeline: a pipe that only the service can write to.
"""

import gc

gc.disable()

import importlib
import json
import os
import platform
import select
import signal
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import system
import worker

sys.path.pop(0)

LINK, LIFELINE = 3, 4


def preload(names):
    done, missing = [], {}
    for name in names:
        try:
            importlib.import_module(name)
            done.append(name)
        except BaseException as fault:
            missing[name] = f"{type(fault).__name__}: {fault}"
    return done, missing


def fill_holes():
    """Returns objects for all the places that are free between others. Without
    them a worker would put its first objects there, and get a copy of its own
    of each page that it puts one on; now they go together, on fresh pages."""
    filling = []
    for size, free in holes():
        if size < sys.getsizeof(b""):
            filling.extend(([object() for _ in range(free)] if size <= sys.getsizeof(object()) else [float(i) for i in range(free)]))
        else:
            filling.extend([bytes(size - sys.getsizeof(b"")) for _ in range(free)])
    return filling


def holes():
    """Yields the sizes of small objects, in bytes, with how many more of each
    the pages in use have room for. Only CPython's own statistics tell, and only
    on standard error."""
    with tempfile.TemporaryFile() as file:
        error = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            sys._debugmallocstats()
        finally:
            os.dup2(error, 2)
            os.close(error)
        file.seek(0)
        for line in file.read().splitlines():
            fields = line.split()
            # class, size, pools, blocks in use, blocks free
            if len(fields) == 5 and all(field.isdigit() for field in fields):
                yield int(fields[1]), int(fields[4])


def main():
    config = json.loads(sys.argv[1])
    system.prctl(system.PR_SET_DUMPABLE, 0)
    os.set_inheritable(LINK, False)
    os.set_inheritable(LIFELINE, False)
    link = system.Link(LINK)
    worker.prepare()
    done, missing = preload(config["preload"])
    worker.load_modules(config["modules"])
    worker.warm_up()
    import builtins

    names = sorted(set(dir(builtins)) | {"display"})
    gc.collect()
    filling = fill_holes()
    gc.freeze()
    wake, wake_write = system.exits()
    link.send(
        {
            "ready": True,
            "version": platform.python_version(),
            "preloaded": done,
            "missing": missing,
            "builtins": names,
            "threads": len(os.listdir("/proc/self/task")),
        }
    )
    poll = select.poll()
    poll.register(LINK, select.POLLIN)
    poll.register(wake, select.POLLIN)
    while True:
        for fd, _event in poll.poll():
            if fd == wake:
                for pid, status in system.reap(wake):
                    link.send({"exit": pid, "status": status})
                continue
            message, fds = link.receive()
            if message is None:
                return
            if message["op"] == "ping":
                link.send({"id": message["id"]})
            elif message["op"] == "fork":
                fork(link, message, fds, (wake, wake_write), config)


def fork(link, message, fds, own, config):
    try:
        pid = os.fork()
    except OSError as fault:
        link.send({"id": message["id"], "error": str(fault)})
        for fd in fds:
            os.close(fd)
        return
    if pid:
        for fd in fds:
            os.close(fd)
        pidfd = os.pidfd_open(pid)
        link.send({"id": message["id"], "pid": pid}, [pidfd])
        os.close(pidfd)
        return
    leave = os._exit
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for fd in own:
            os.close(fd)
        link.socket.close()
        worker.main(fds[0], fds[1], LIFELINE, {**config, **message})
    except BaseException:
        worker.report_fault()
    finally:
        leave(worker.EXIT_FAULT)


if __name__ == "__main__":
    main()
