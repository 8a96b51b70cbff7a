"""Starts moto with the project's plug-in, as one process that ends with its parent.

Usage: launcher.py ADDRESS, where ADDRESS is HOST:PORT and port 0 takes a free one.

When the server listens, one line of JSON goes to standard output:
{"address": "127.0.0.1:43121"}. Standard input is watched: its end means that the
parent is gone, and so this process ends, too. Everything else is logged to
standard error.
"""

import json
import os
import signal
import sys
import threading


def end_with_parent() -> None:
    """Ends the process when standard input does. The parent never writes to it,
    so that a read returns only at its end, which the kernel brings about even
    where the parent was killed."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: launcher.py HOST:PORT", file=sys.stderr)
        return 2
    host, _, port = sys.argv[1].rpartition(":")

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: os._exit(0))
    threading.Thread(target=end_with_parent, daemon=True).start()

    # The managed policies that roles attach to must exist before moto's IAM is
    # imported; the caller's choice stands.
    os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")

    import plugin
    import server

    plugin.install()
    listening = server.make(host, int(port))
    # moto reaches itself under this port where one service calls another.
    os.environ["MOTO_PORT"] = str(listening.server_port)

    print(json.dumps({"address": f"{host}:{listening.server_port}"}), flush=True)
    listening.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
