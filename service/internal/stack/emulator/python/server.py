"""The HTTP server around moto's WSGI application.

moto's own server is meant for a test at a time. Four things are added here:
requests are answered one at a time, since moto's stores are plain dictionaries
without locks and Terraform asks for ten things at once; what moto doesn't know
is answered at once by a 4xx, since AWS clients retry a 5xx for minutes; who asks
again because an answer was lost on its way gets that answer; and each request
leaves a line in the log.
"""

import collections
import io
import json
import logging
import re
import sys
import threading
import time
import traceback
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    create_backend_app,
)
from werkzeug.serving import WSGIRequestHandler, make_server

READY_PATH = "/emulator/ready"

# How many answers are kept for who asks again.
KEPT_ANSWERS = 256


class Handler(WSGIRequestHandler):
    # Head and body are written apart; with Nagle's algorithm each answer would
    # wait for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def log(self, type, message, *args):  # noqa: A002 - werkzeug's name
        pass  # Application writes the log


class Application:
    """moto, one request at a time."""

    def __init__(self, moto):
        self._moto = moto
        self._turn = threading.Lock()
        self._answers = collections.OrderedDict()  # by the caller's id of the call

    def __call__(self, environ, start_response):
        if environ.get("PATH_INFO") == READY_PATH:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"ready\n"]

        # The body is read before the turn begins, so that a slow client holds
        # up nobody but itself.
        body = read_body(environ)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["wsgi.input_terminated"] = True
        environ["CONTENT_LENGTH"] = str(len(body))

        started = time.monotonic()
        call = environ.get("HTTP_AMZ_SDK_INVOCATION_ID", "")
        with self._turn:
            # To make a thing twice would be refused: it is there already.
            kept = self._answers.get(call) if attempt(environ) > 1 else None
            status, headers, content, fault = kept or self._answer(environ)
            if call and environ["REQUEST_METHOD"] not in ("GET", "HEAD"):  # they change nothing
                self._answers[call] = status, headers, content, fault
                while len(self._answers) > KEPT_ANSWERS:
                    self._answers.popitem(last=False)
        log(environ, body, status, time.monotonic() - started, fault)
        start_response(status, headers)
        return [content]

    def _answer(self, environ):
        """What moto answers: status, headers, content, and what went wrong."""
        answer = {}

        def keep(status, headers, exc_info=None):
            answer["status"], answer["headers"] = status, headers
            return lambda chunk: None

        fault = ""
        try:
            chunks = self._moto(environ, keep)
            content = b"".join(chunks)
            if hasattr(chunks, "close"):
                chunks.close()
        except Exception as error:  # whatever moto couldn't do
            fault = traceback.format_exc()
            answer["status"], content = "500", repr(error).encode()
        if int(answer["status"].split(" ", 1)[0]) >= 500:
            fault = fault or content.decode(errors="replace")
            return *refusal(environ, fault), fault
        return answer["status"], answer["headers"], content, fault


def attempt(environ) -> int:
    """How often the caller has asked for this, by its own word; 1 is the first time."""
    found = re.search(r"attempt=(\d+)", environ.get("HTTP_AMZ_SDK_REQUEST", ""))
    return int(found[1]) if found else 1


def read_body(environ) -> bytes:
    if environ.get("wsgi.input_terminated"):
        return environ["wsgi.input"].read()
    length = environ.get("CONTENT_LENGTH") or "0"
    return environ["wsgi.input"].read(int(length)) if length.isdigit() else b""


def refusal(environ, fault: str):
    """A 400 in the form that the caller's protocol can read."""
    code = "EmulatorNotImplemented"
    message = fault.strip().splitlines()[-1] if fault.strip() else "unknown fault"
    message = f"the emulator can't do this: {message}"
    kind = environ.get("CONTENT_TYPE", "")
    if "json" in kind or environ.get("HTTP_X_AMZ_TARGET"):
        content = json.dumps({"__type": code, "message": message})
        kind = "application/x-amz-json-1.1"
    else:
        kind = "text/xml"
        error = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
        service = signed_service(environ)
        if service == "s3":
            content = f"<Error>{error}</Error>"
        elif service == "ec2":
            content = f"<Response><Errors><Error>{error}</Error></Errors></Response>"
        else:
            content = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"
    content = content.encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(content)))]
    return "400 Bad Request", headers, content


def signed_service(environ) -> str:
    """The service that the request was signed for, "" where it wasn't."""
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2]
    parts = scope.split(",")[0].split("/")
    return parts[3] if len(parts) >= 5 else ""


def log(environ, body: bytes, status: str, seconds: float, fault: str) -> None:
    action = environ.get("HTTP_X_AMZ_TARGET", "")
    if not action and body.startswith(b"Action="):
        action = body.split(b"&", 1)[0].decode(errors="replace")
    path = environ.get("PATH_INFO", "")
    if environ.get("QUERY_STRING"):
        path += "?" + environ["QUERY_STRING"]
    line = f"{environ['REQUEST_METHOD']} {path}"
    service = signed_service(environ)
    stamp = time.strftime("%H:%M:%S")
    again = f", attempt {attempt(environ)}" if attempt(environ) > 1 else ""
    entry = f"{stamp} {service} {line} {action} -> {status} {seconds * 1000:.0f}ms{again}\n"
    # One write, so that the entries of parallel requests don't mix.
    sys.stderr.write(entry + (fault.rstrip() + "\n" if fault else ""))
    sys.stderr.flush()


def make(host: str, port: int):
    """A listening server; serve_forever() runs it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = Application(DomainDispatcherApplication(create_backend_app))
    return make_server(host, port, app, threaded=True, request_handler=Handler)
