"""The Jupyter side of the benchmark.

Reads one JSON command a line, [name, argument...], does it, and answers with
one JSON line, the result or {"fault": "..."}. Times are in seconds and are
taken here, around what a Jupyter front end does, so that this pipe costs
nothing.
"""

import json
import os
import socket
import sys
import time
from queue import Empty

from jupyter_client import KernelManager

PATIENCE = 120


class Kernel:
    """One ipykernel with its client; channels are TCP, as Jupyter's are."""

    def __init__(self):
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(stderr=2)
        self.client = self.manager.blocking_client()
        self.client.start_channels(hb=False, stdin=False)
        self.sockets = []

    def ready(self):
        self.client.wait_for_ready(timeout=PATIENCE)
        return self

    def quick(self):
        """Acknowledge at once what comes: a delayed acknowledgement would be
        measured as the kernel's time. Linux forgets the wish, so it is told
        again before each exchange."""
        for each in self.sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def send(self, code):
        return self.client.execute(code, allow_stdin=False)

    def reply(self, request):
        while True:
            message = self.client.get_shell_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") == request:
                if message["content"]["status"] != "ok":
                    raise RuntimeError(message["content"])
                return

    def until(self, request, done):
        """Read what the kernel publishes until done says so of a message."""
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") == request and done(message):
                return

    def idle(self, request):
        self.until(request, lambda m: m["msg_type"] == "status" and m["content"]["execution_state"] == "idle")

    def run(self, code):
        request = self.send(code)
        self.reply(request)
        self.idle(request)

    def pid(self):
        return self.manager.provisioner.pid

    def stop(self):
        for each in self.sockets:
            each.close()
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


def tcp_sockets():
    """Duplicates of this process's TCP sockets, libzmq's among them."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            found = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue  # it was closed meanwhile
        if found.family == socket.AF_INET and found.type == socket.SOCK_STREAM:
            yield found
        else:
            found.close()


class Commands:
    def __init__(self):
        self.kernel = None
        self.many = []

    def open(self):
        self.kernel = Kernel().ready()
        self.kernel.sockets = list(tcp_sockets())

    def cold(self, code):
        """From the decision to start a kernel to the reply to its first cell.
        The request waits in the socket for the kernel, which is faster than
        asking whether it is ready first."""
        begin = time.perf_counter()
        kernel = Kernel()
        kernel.reply(kernel.send(code))
        elapsed = time.perf_counter() - begin
        kernel.stop()
        return elapsed

    def execute(self, code, times):
        """Round trips, until the kernel has replied."""
        taken = []
        for _ in range(times):
            self.kernel.quick()
            begin = time.perf_counter()
            request = self.kernel.send(code)
            self.kernel.reply(request)
            taken.append(time.perf_counter() - begin)
            self.kernel.idle(request)
        return taken

    def starts(self, code, times):
        """From the request to the word that the cell's code begins to run."""
        taken = []
        for _ in range(times):
            self.kernel.quick()
            begin = time.perf_counter()
            request = self.kernel.send(code)
            self.kernel.until(request, lambda m: m["msg_type"] == "execute_input")
            taken.append(time.perf_counter() - begin)
            self.kernel.reply(request)
            self.kernel.idle(request)
        return taken

    def all(self, cells):
        """Every cell, as "Run all" does it: all requests at once."""
        self.kernel.quick()
        begin = time.perf_counter()
        requests = [self.kernel.send(cell) for cell in cells]
        for request in requests:
            self.kernel.reply(request)
        elapsed = time.perf_counter() - begin
        self.kernel.idle(requests[-1])
        return elapsed

    def show(self, code):
        """One cell, until all that it printed has come."""
        self.kernel.quick()
        begin = time.perf_counter()
        request = self.kernel.send(code)
        self.kernel.idle(request)
        elapsed = time.perf_counter() - begin
        self.kernel.reply(request)
        return elapsed

    def crowd(self, count, code):
        """So many kernels that have run the code; returns their process ids."""
        self.many = []
        for _ in range(count):
            self.many.append(Kernel().ready())
            self.many[-1].run(code)
        return [kernel.pid() for kernel in self.many]

    def crowd_runs(self, code):
        for kernel in self.many:
            kernel.run(code)

    def close(self):
        for kernel in [self.kernel, *self.many]:
            if kernel is not None:
                kernel.stop()
        self.kernel, self.many = None, []


def main():
    commands = Commands()
    try:
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            try:
                answer = getattr(commands, name)(*arguments)
            except Empty:
                answer = {"fault": f"{name}: the kernel did not answer within {PATIENCE} s"}
            except Exception as e:
                answer = {"fault": f"{name}: {type(e).__name__}: {e}"}
            print(json.dumps(answer), flush=True)
    finally:
        commands.close()


main()
