"""What the kernel's processes need of Linux and the standard library lacks."""

import ctypes
import json
import os
import signal
import socket
import struct
import time

libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

CLONE_NEWNS = 0x00020000
MS_REC = 1 << 14
MS_BIND = 1 << 12
MS_PRIVATE = 1 << 18


def prctl(option, value):
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}): {os.strerror(code)}")


def mount(source, target, kind, flags, data=None):
    encode = lambda text: None if text is None else os.fsencode(text)
    if libc.mount(encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), encode(data)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"mount {target}: {os.strerror(code)}")


def private_mounts():
    """Gives this process mounts of its own, that nobody outside sees."""
    if libc.unshare(CLONE_NEWNS) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"unshare: {os.strerror(code)}")
    mount(None, "/", None, MS_REC | MS_PRIVATE)


class Link:
    """JSON messages with descriptors over a packet socket: one packet each."""

    MAX = 1 << 17

    def __init__(self, fd):
        self.socket = socket.socket(fileno=fd)
        self.socket.setblocking(True)

    def fileno(self):
        return self.socket.fileno()

    def receive(self):
        """Returns a message and its descriptors; (None, []) at the end."""
        room = socket.CMSG_SPACE(16 * 4)
        data, ancillary, _flags, _address = self.socket.recvmsg(self.MAX, room)
        fds = []
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                count = len(payload) // 4
                fds.extend(struct.unpack(f"{count}i", payload[: count * 4]))
        if not data:
            return None, fds
        return json.loads(data), fds

    def send(self, message, fds=()):
        data = json.dumps(message).encode()
        if fds:
            socket.send_fds(self.socket, [data], list(fds))
        else:
            self.socket.send(data)


def exits():
    """A descriptor that turns readable whenever a child has ended."""
    read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return read, write


def reap(fd):
    """Yields (pid, wait status) of the children that have ended."""
    try:
        while os.read(fd, 512):
            pass
    except BlockingIOError:
        pass
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def family():
    """Maps each process to (its parent, its state), as /proc shows them now."""
    table = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        table[int(name)] = (int(fields[1]), fields[0])
    return table


def descendants(table, root):
    children = {}
    for pid, (parent, _state) in table.items():
        children.setdefault(parent, []).append(pid)
    found, queue = [], [root]
    while queue:
        for child in children.get(queue.pop(), ()):
            found.append(child)
            queue.append(child)
    return found


def send_signal(pid, number):
    try:
        os.kill(pid, number)
        return True
    except OSError:
        return False


def kill_user(uid):
    """Kills every process of the user that this one has become, but itself,
    and returns when they have ended. One kill reaches all at once: none can
    fork its way out."""
    me = os.getpid()
    for attempt in range(1000):
        os.kill(-1, signal.SIGKILL)
        living = False
        for pid, (_parent, state) in family().items():
            try:
                living = living or pid != me and state not in b"ZX" and os.stat(f"/proc/{pid}").st_uid == uid
            except OSError:
                continue
        if not living:
            return
        time.sleep(0.001 * min(attempt + 1, 20))
    raise TimeoutError(f"processes of user {uid} don't end")


def kill_tree(root):
    """Kills root and all below it. Root is stopped first and dies last: while
    it lives, as a subreaper, nothing that it started can leave its tree."""
    send_signal(root, signal.SIGSTOP)
    for attempt in range(200):
        table = family()
        living = [pid for pid in descendants(table, root) if table[pid][1] not in b"ZX"]
        if not living:
            break
        for pid in living:
            send_signal(pid, signal.SIGKILL)
        time.sleep(0.001 * min(attempt, 20))
    send_signal(root, signal.SIGKILL)


def empty_folder(top):
    """Removes all inside top. Every step works one level below it, so that
    neither deep nesting nor odd permissions stop it."""
    os.chmod(top, 0o700)
    moved = 0
    for _round in range(1_000_000):
        with os.scandir(top) as entries:
            entry = next(entries, None)
        if entry is None:
            return
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.path)
            continue
        os.chmod(entry.path, 0o700)
        with os.scandir(entry.path) as inner:
            for item in inner:
                if item.is_dir(follow_symlinks=False):
                    os.chmod(item.path, 0o700)  # a folder moves only when it is writable
                    moved += 1
                    os.rename(item.path, os.path.join(top, f".removed-{os.getpid()}-{moved}"))
                else:
                    os.unlink(item.path)
        os.rmdir(entry.path)
