"""The keeper: the root of every process that the kernel host starts.

It starts the warm parent and the analyzer, hands out folders and user ids,
and ends what is left of a kernel. It is small, runs no user code and imports
next to nothing, so that it can be relied on: when its socket to the service
closes, however the service ended, it kills all that is below it and leaves.

Started as: python -I -S -B keeper.py FD CONFIG (JSON).
"""

import json
import os
import random
import select
import signal
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import system

sys.path.pop(0)


class Keeper:
    def __init__(self, fd, config):
        self.link = system.Link(fd)
        self.base = config["dir"]
        self.users = config["users"]  # [first, count], or None when not root
        self.reserved = {}  # kernel's folder -> (uid, lock)
        self.workers = set()  # processes of living kernels
        self.programs = set()  # parent and analyzer
        self.cleaners = {}  # pid of a cleaning child -> (request id, folder, uid, tries, pid of the kernel)
        self.count = 0

    def serve(self):
        wake, wake_write = system.exits()
        self.own = {wake, wake_write, self.link.fileno()}
        poll = select.poll()
        poll.register(self.link.fileno(), select.POLLIN)
        poll.register(wake, select.POLLIN)
        while True:
            for fd, _event in poll.poll():
                if fd == wake:
                    self.ended(list(system.reap(wake)))
                    continue
                message, fds = self.link.receive()
                if message is None:
                    return
                try:
                    self.handle(message, fds)
                except Exception as fault:
                    self.reply(message, error=f"{type(fault).__name__}: {fault}")
                finally:
                    for extra in fds:
                        os.close(extra)

    def reply(self, message, fds=(), **fields):
        self.link.send({"id": message["id"], **fields}, fds)

    def handle(self, message, fds):
        match message["op"]:
            case "ping":
                self.reply(message)
            case "spawn":
                pid = self.spawn(message, fds)
                self.programs.add(pid)
                pidfd = os.pidfd_open(pid)
                try:
                    self.reply(message, [pidfd], pid=pid)
                finally:
                    os.close(pidfd)
            case "reserve":
                folder, uid = self.reserve()
                self.reply(message, dir=folder, uid=uid, tasks=0 if self.users else self.tasks())
            case "adopt":
                self.workers.add(message["pid"])
                self.reply(message)
            case "release":
                self.clean(message["id"], message["dir"], message["uid"], message["pid"], 0)
            case other:
                raise ValueError(f"unknown operation {other!r}")

    def tasks(self):
        """How many tasks this user has: the limit on them counts by user."""
        mine, total = os.getuid(), 0
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and os.stat(f"/proc/{name}/task").st_uid == mine:
                    total += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue
        return total

    def spawn(self, message, fds):
        pid = os.fork()
        if pid:
            return pid
        try:
            system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)
            # Two passes, so that no descriptor is overwritten before it moved.
            high = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i, inheritable=True)
            os.closerange(3 + len(fds), 1000)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            if message.get("user") is not None:
                become(message["user"])
                # A change of user clears this setting.
                system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)
                system.prctl(system.PR_SET_NO_NEW_PRIVS, 1)
            os.execve(message["argv"][0], message["argv"], message["env"])
        except BaseException as fault:
            os.write(2, f"start {message['argv'][0]}: {fault}\n".encode())
        finally:
            os._exit(127)

    def reserve(self):
        self.count += 1
        folder = os.path.join(self.base, f"kernel-{os.getpid()}-{self.count}")
        uid, lock = None, None
        if self.users:
            uid, lock = self.reserve_user()
        os.mkdir(folder, 0o711)
        for name in ("work", "tmp"):
            path = os.path.join(folder, name)
            os.mkdir(path, 0o700)
            if uid is not None:
                os.chown(path, uid, uid)
        self.reserved[folder] = (uid, lock)
        return folder, uid

    def reserve_user(self):
        """Takes a user id that no kernel of any service on this machine has.
        A bound abstract socket is the lock: it can't outlive its holder."""
        first, count = self.users
        taken = {uid for uid, _lock in self.reserved.values()}
        start = random.randrange(count)
        for step in range(count):
            uid = first + (start + step) % count
            if uid in taken:
                continue
            lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                lock.bind(f"\0notebook-kernel-user-{uid}")
            except OSError:
                lock.close()
                continue
            return uid, lock
        raise RuntimeError(f"all {count} user ids from {first} on are in use by kernels; widen the range (KERNEL_USER)")

    def clean(self, request, folder, uid, worker, tries):
        """Starts the end of a kernel: its processes, then its files. A child
        does it, as the kernel's own user: that needs no power over files, and
        one kill reaches every process of that user at once."""
        pid = os.fork()
        if pid:
            self.cleaners[pid] = (request, folder, uid, tries, worker)
            return
        status = 1
        try:
            signal.alarm(60)
            os.setsid()
            for fd in self.own:
                os.close(fd)
            if uid is not None:
                become(uid)
                system.kill_user(uid)
            elif worker:
                system.kill_tree(worker)
            for name in ("work", "tmp"):
                path = os.path.join(folder, name)
                if os.path.isdir(path):
                    system.empty_folder(path)
            status = 0
        except BaseException as fault:
            os.write(2, f"clean {folder}: {type(fault).__name__}: {fault}\n".encode())
        finally:
            os._exit(status)

    def ended(self, children):
        strays = False
        for pid, status in children:
            if pid in self.cleaners:
                self.cleaned(pid, status)
                continue
            strays = True
            self.workers.discard(pid)
            self.programs.discard(pid)
            self.link.send({"exit": pid, "status": status})
        if strays and not self.users:
            self.kill_strays()

    def kill_strays(self):
        """Kills what a dead kernel left: children of ours that we don't know.
        A living kernel keeps its own below itself."""
        me = os.getpid()
        known = self.workers | self.programs | set(self.cleaners)
        for pid, (parent, state) in system.family().items():
            if parent == me and pid not in known and state not in b"ZX":
                system.kill_tree(pid)

    def cleaned(self, pid, status):
        request, folder, uid, tries, worker = self.cleaners.pop(pid)
        if status != 0 and tries < 5:
            # A process of the kernel may have killed its cleaner first.
            self.clean(request, folder, uid, worker, tries + 1)
            return
        self.forget(folder)
        self.workers.discard(worker)
        if not self.users:
            self.kill_strays()
        self.link.send({"id": request})

    def forget(self, folder):
        for path in (os.path.join(folder, "work"), os.path.join(folder, "tmp"), folder):
            try:
                os.rmdir(path)
            except OSError:
                pass
        _uid, lock = self.reserved.pop(folder, (None, None))
        if lock is not None:
            lock.close()

    def end(self):
        """Kills all that is below, and removes their files."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        me = os.getpid()
        for pid in list(self.programs):
            system.send_signal(pid, signal.SIGSTOP)
        for _ in range(100):
            if not self.users or not self.reserved:
                break
            for folder, (uid, _lock) in list(self.reserved.items()):
                self.clean(0, folder, uid, 0, 0)
            waiting, self.cleaners = self.cleaners, {}
            for pid, (_request, folder, *_rest) in waiting.items():
                _pid, status = os.waitpid(pid, 0)
                if status == 0:
                    self.forget(folder)
        for _ in range(200):
            table = system.family()
            below = [pid for pid in system.descendants(table, me) if table[pid][1] not in b"ZX"]
            if not below:
                break
            for pid in below:
                system.send_signal(pid, signal.SIGKILL)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                pass
        for folder in list(self.reserved):
            for name in ("work", "tmp"):
                try:
                    system.empty_folder(os.path.join(folder, name))
                except OSError:
                    pass
            self.forget(folder)
        try:
            system.empty_folder(self.base)
            os.rmdir(self.base)
        except OSError:
            pass


def become(uid):
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def expose(paths):
    """Makes folders readable for other users that stand below one that is not,
    such as a Python in root's home: in mounts of our own, that one is replaced
    by an empty folder that holds just the paths."""
    hidden = {}
    for path in paths:
        path = os.path.realpath(path)
        parts = path.split("/")
        for depth in range(2, len(parts) + 1):
            folder = "/".join(parts[:depth])
            if not os.path.exists(folder):
                break
            if os.stat(folder).st_mode & 0o001 == 0:
                hidden.setdefault(folder, set()).add(path)
                break
    hidden = {folder: wanted - {folder} for folder, wanted in hidden.items() if wanted - {folder}}
    if not hidden:
        return
    system.private_mounts()
    for folder, wanted in hidden.items():
        held = {path: os.open(path, os.O_PATH) for path in sorted(wanted)}
        system.mount("tmpfs", folder, "tmpfs", 0, "mode=755")
        for path, fd in held.items():
            if not os.path.exists(path):
                os.makedirs(path, 0o755)
                system.mount(f"/proc/self/fd/{fd}", path, None, system.MS_BIND | system.MS_REC)
            os.close(fd)


def main():
    fd, config = int(sys.argv[1]), json.loads(sys.argv[2])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    os.set_inheritable(fd, False)
    system.prctl(system.PR_SET_DUMPABLE, 0)
    system.prctl(system.PR_SET_CHILD_SUBREAPER, 1)
    keeper = Keeper(fd, config)
    fault = None
    try:
        if config["users"]:
            expose(config["expose"])
    except OSError as error:
        fault = str(error)
    keeper.link.send({"ready": True, "expose": fault})
    try:
        keeper.serve()
    except OSError:
        pass  # the service is gone
    finally:
        keeper.end()


if __name__ == "__main__":
    main()
