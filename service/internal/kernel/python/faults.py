"""Exceptions as people read them: name, message and CPython's traceback."""

import os
import sys
import traceback

HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
MAX_MESSAGE = 64 * 1024
MAX_LINES = 400
MAX_NAME = 200


def describe(error, restore, kind="exception"):
    """Returns kind, name, message and traceback lines of an exception."""
    name = type(error).__name__[:MAX_NAME]
    try:
        report = traceback.TracebackException.from_exception(error, compact=True)
        hide_own_frames(report, set())
        lines = [line for part in report.format() for line in part.rstrip("\n").split("\n")]
        message = str(report) if isinstance(error, SyntaxError) else safe_text(error)
    except Exception as fault:  # a hostile exception, or no memory left
        message = f"(its text can't be shown: {type(fault).__name__})"
        lines = [f"{name}: {message}"]
    if len(lines) > MAX_LINES:
        cut = len(lines) - MAX_LINES
        lines[MAX_LINES // 2 : MAX_LINES // 2 + cut] = [f"  [{cut} lines left out]"]
    lines = [clip(restore(line)) for line in lines]
    return {"kind": kind, "name": restore(name), "message": clip(restore(message)), "traceback": lines}


def safe_text(error):
    try:
        return str(error)
    except Exception as fault:
        return f"(its __str__ raised {type(fault).__name__})"


def clip(text):
    if len(text) <= MAX_MESSAGE:
        return text
    return text[: MAX_MESSAGE // 2] + f" [{len(text) - MAX_MESSAGE:,} characters left out] " + text[-MAX_MESSAGE // 2 :]


def hide_own_frames(report, seen):
    """Drops the frames of the worker from a report and all that led to it."""
    if report is None or id(report) in seen:
        return
    seen.add(id(report))
    if any(frame.filename.startswith(HERE) for frame in report.stack):
        # What awaits at the top level comes through the event loop, too.
        start = next((i for i, frame in enumerate(report.stack) if frame.filename.startswith("<cell ")), 0)
        report.stack[:] = [frame for frame in report.stack[start:] if not frame.filename.startswith(HERE)]
    hide_own_frames(report.__cause__, seen)
    hide_own_frames(report.__context__, seen)
    for inner in getattr(report, "exceptions", None) or ():
        hide_own_frames(inner, seen)


def describe_syntax(error):
    """Returns a syntax error without the frames of whoever compiled."""
    lines = [line.rstrip("\n") for part in traceback.format_exception_only(error) for line in part.split("\n") if line]
    return {
        "kind": "syntax",
        "name": type(error).__name__,
        "message": clip(str(getattr(error, "msg", None) or error)),
        "traceback": [clip(line) for line in lines],
    }
