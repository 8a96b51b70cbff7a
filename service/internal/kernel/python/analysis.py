"""The analyzer: what a cell defines and references, without running it.

Scopes are the symbol table's word. Order at the top level is read from the
bytecode of a straight-line version of the cell: compound statements are
replaced by their parts, in the order in which they are written, so that each
instruction's place tells what comes before what; branches count as taken.

Started as: python -I -B analysis.py MEMORY SECONDS. It may take so many bytes (0:
no limit), and so much processor time for one source, and as much for each
megabyte of it. Descriptor 3 is a stream socket. Request and answer are JSON
behind a length (4 bytes, big endian); a request is the source itself.
"""

import ast
import dis
import gc
import hashlib
import json
import os
import resource
import signal
import socket
import struct
import symtable
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cells
import faults
import system

sys.path.pop(0)

NAME = "<cell>"
COMPILER_NAMES = {"__annotations__", "__annotate__", "__conditional_annotations__", "__classdict__", "__static_attributes__"}
LOADS = {"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"}
FUNCTION_OPERATIONS = {dis.opmap[name] for name in ("STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME")}
IMMEDIATE = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}
OPTIMIZED = 0x1  # a function's code; class bodies lack it


class StarImport(Exception):
    pass


def analyze(source):
    """Returns the analysis of one cell, ready for JSON."""
    try:
        text, tree = cells.parse(source, NAME)
        code = fingerprint(text, tree)
        if "*" in text and "import" in text:
            refuse_star(tree)
        table = symtable.symtable(text, NAME, "exec")
        return {**Names(tree, table).answer(), "code": code}
    except StarImport as star:
        line = f"from {star} import *"
        return {
            "error": {
                "kind": "import-star",
                "name": "ImportError",
                "message": f"`{line}` can't be used here: which names it defines only shows when it runs. "
                "Import the names that you need, or the module itself.",
                "traceback": [],
            }
        }
    except SyntaxError as error:
        return {"error": faults.describe_syntax(error)}
    except RecursionError:
        return {"error": refused("this cell is nested too deeply for Python to read")}
    except MemoryError:  # also CPython's way to refuse deep nesting
        return {"error": refused("this cell is nested too deeply, or too large, for Python to read: split it")}
    except (ValueError, UnicodeError) as error:
        return {"error": refused(str(error))}


def refused(message):
    return {"kind": "syntax", "name": "SyntaxError", "message": message, "traceback": [f"SyntaxError: {message}"]}


def place(node, line):
    """Gives a node and all below it one position."""
    stack = [node]
    while stack:
        node = stack.pop()
        node.lineno = node.end_lineno = line
        node.col_offset = node.end_col_offset = 0
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                stack.extend(item for item in value if isinstance(item, ast.AST))
            elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
                stack.append(value)


def fingerprint(text, tree):
    """Compiles the cell, and returns a hash over the code that it has when
    every position is the same: equal for cells that run alike."""
    rest, value, hidden = cells.shown(text, tree)
    # First with the true positions, which the compiler's errors name.
    cells.compile_both(rest, value, NAME)
    rest, value, _hidden = cells.shown(text, cells.parse(text, NAME)[1])
    place(rest, 1)
    if value is not None:
        place(value, 1)
    digest = hashlib.sha256()
    for code in cells.compile_both(rest, value, NAME):
        add(digest, code)
    digest.update(b";" if hidden else b".")
    return digest.hexdigest()


def add(digest, value):
    """Adds a code object or a constant to a hash, with its type: 1, 1.0 and
    True are equal, yet not the same program."""
    if isinstance(value, cells.CODE):
        parts = (
            value.co_code,
            value.co_names,
            value.co_varnames,
            value.co_freevars,
            value.co_cellvars,
            value.co_flags,
            value.co_argcount,
            value.co_posonlyargcount,
            value.co_kwonlyargcount,
            value.co_name,
            value.co_qualname,
            value.co_exceptiontable,
        )
        digest.update(b"c")
        digest.update(repr(parts).encode("utf-8", "surrogatepass"))
        add(digest, value.co_consts)
    elif isinstance(value, tuple):
        digest.update(b"t%d:" % len(value))
        for item in value:
            add(digest, item)
    elif isinstance(value, frozenset):
        digest.update(b"f")
        digest.update("".join(sorted(f"{type(item).__name__}{item!r}" for item in value)).encode("utf-8", "surrogatepass"))
    else:
        text = hex(value) if type(value) is int else repr(value)  # repr has a limit on digits
        digest.update(f"{type(value).__name__}{len(text)}:{text}".encode("utf-8", "surrogatepass"))


def refuse_star(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            raise StarImport("." * node.level + (node.module or ""))


class Line:
    """Builds the straight-line version of a cell. Each part gets a line number
    of its own, by which its instructions are known."""

    def __init__(self):
        self.body = []
        self.kinds = [None]  # by line number: "loop", "handler" or "plain"
        self.caught = set()  # the names of handlers

    def put(self, node, kind="plain"):
        number = len(self.kinds)
        self.kinds.append(kind)
        place(node, number)
        self.body.append(node)

    def value(self, node, kind="plain"):
        if node is not None:
            self.put(ast.Expr(node), kind)

    def statements(self, nodes):
        for node in nodes:
            self.statement(node)

    def statement(self, node):
        match node:
            case ast.If() | ast.While():
                self.value(node.test)
                self.statements(node.body)
                self.statements(node.orelse)
            case ast.For() | ast.AsyncFor():
                self.put(type(node)(node.target, node.iter, [ast.Pass()], []), "loop")
                self.statements(node.body)
                self.statements(node.orelse)
            case ast.With() | ast.AsyncWith():
                self.put(type(node)(node.items, [ast.Pass()]))
                self.statements(node.body)
            case ast.Match():
                self.value(node.subject)
                for case in node.cases:
                    self.put(ast.Match(ast.Constant(None), [ast.match_case(case.pattern, None, [ast.Pass()])]))
                    self.value(case.guard)
                    self.statements(case.body)
            case ast.Try() | ast.TryStar():
                self.statements(node.body)
                for handler in node.handlers:
                    self.value(handler.type)
                    if handler.name is None:
                        self.statements(handler.body)
                        continue
                    self.caught.add(handler.name)
                    self.put(ast.Assign([ast.Name(handler.name, ast.Store())], ast.Constant(None)), "handler")
                    self.statements(handler.body)
                    self.put(ast.Delete([ast.Name(handler.name, ast.Del())]), "handler")
                self.statements(node.orelse)
                self.statements(node.finalbody)
            case ast.Raise():
                self.value(node.exc)
                self.value(node.cause)
            case ast.Assert():
                self.value(node.test)
                self.value(node.msg)
            case ast.Break() | ast.Continue() | ast.Pass():
                pass
            case _:
                self.put(node)


class Names:
    """The names of one cell."""

    def __init__(self, tree, table):
        self.bound = {}  # at the top level, so far or in the end: name -> kinds of the parts that bind it
        self.caught = set()  # the names of the handlers that are being read: theirs alone, unless also bound
        self.read = set()  # read or deleted before it was bound
        self.deleted = set()
        self.seen = set()  # everything that the bytecode mentions
        self.later = set()  # read in functions, that run later
        self.outside = set()  # names of handlers, read in functions that are not in them
        self.declared = set()  # bound, or deleted, by a global statement in a function
        self.stored, self.unstored = set(), set()  # by functions, in the module's scope
        line = Line()
        line.statements(cells.without_docstring(tree).body)
        self.kinds, self.handlers = line.kinds, line.caught
        self.scan(compile(ast.Module(line.body, []), NAME, "exec", cells.FLAGS, dont_inherit=True), set())
        self.tables(table, False)
        for symbol in table.get_symbols():
            # What the optimizer left out of the bytecode is read all the same.
            if symbol.is_referenced() and symbol.get_name() not in self.seen:
                self.read.add(symbol.get_name())

    def scan(self, code, local, kind=None):
        """Reads code that runs at once, in order. Local are the names that the
        class body has bound; kind is None for the module itself."""
        module = kind is None
        body = not module and not code.co_flags & OPTIMIZED
        for instruction in instructions(code, body):
            name, operation = instruction.argval, instruction.opname
            part = kind if not module else self.kinds[instruction.positions.lineno or 0] or "plain"
            if isinstance(name, cells.CODE):
                if not name.co_flags & OPTIMIZED:
                    self.scan(name, set(), part)
                elif name.co_name in IMMEDIATE or name.co_name.startswith("<generic parameters"):
                    self.scan(name, local, part)
                else:
                    self.function(name)
                    self.outside |= loaded(name, self.handlers - self.caught)
            elif module and part == "handler" and operation in ("STORE_NAME", "STORE_GLOBAL"):
                self.seen.add(name)
                self.caught.add(name)
            elif module and part == "handler" and operation in ("DELETE_NAME", "DELETE_GLOBAL"):
                self.caught.discard(name)
            elif operation in LOADS:
                self.seen.add(name)
                if name not in self.bound and name not in self.caught and not (body and name in local):
                    self.read.add(name)
            elif operation == "STORE_GLOBAL" or operation == "STORE_NAME" and module:
                self.seen.add(name)
                self.bound.setdefault(name, set()).add(part)
            elif operation == "STORE_NAME":
                local.add(name)
            elif operation == "DELETE_GLOBAL" or operation == "DELETE_NAME" and module:
                self.seen.add(name)
                if name in self.caught:
                    continue
                self.deleted.add(name)
                if name not in self.bound:
                    self.read.add(name)
            elif operation == "DELETE_NAME":
                local.discard(name)

    def function(self, code):
        """Reads of code that runs later what the symbol table doesn't tell: a
        deletion from a binding, and what a class body reads before it binds."""
        if not FUNCTION_OPERATIONS.isdisjoint(code.co_code[::2]):
            body, local = not code.co_flags & OPTIMIZED, set()
            for instruction in instructions(code, body):
                name = instruction.argval
                match instruction.opname:
                    case "STORE_GLOBAL":
                        self.stored.add(name)
                    case "DELETE_GLOBAL":
                        self.unstored.add(name)
                    case "LOAD_GLOBAL":  # of `x += 1`: to the symbol table, a binding alone
                        self.later.add(name)
                    case "LOAD_NAME" if body and name not in local:
                        self.later.add(name)
                    case "STORE_NAME":
                        local.add(name)
        for value in code.co_consts:
            if isinstance(value, cells.CODE):
                self.function(value)

    def tables(self, table, inside):
        """Collects from the symbol tables what functions read and bind in the
        module's scope, also where the optimizer dropped it."""
        for child in table.get_children():
            comprehension = ".0" in child.get_identifiers()
            later = inside or str(child.get_type()) not in ("class", "module") and not comprehension
            for symbol in child.get_symbols():
                name = symbol.get_name()
                if later and symbol.is_global() and symbol.is_referenced():
                    self.later.add(name)
                if symbol.is_declared_global() and (symbol.is_assigned() or symbol.is_imported()):
                    self.declared.add(name)
            self.tables(child, later)

    def answer(self):
        top = set(self.bound)
        functions = self.declared - (self.unstored - self.stored) - (self.deleted - top)
        defines = top | functions
        deletes = (self.deleted | self.unstored) - top - functions
        later = self.later - top - (self.handlers - self.outside)
        references = self.read | later | deletes
        loops = {name for name in top - functions if self.bound[name] == {"loop"}}
        return {
            "defines": public(defines),
            "references": public(references),
            "deletes": public(deletes),
            "loops": public(loops),
        }


def loaded(code, names):
    """Returns those of the names that a function reads in the module's scope."""
    if not names:
        return set()
    found = {instruction.argval for instruction in dis.get_instructions(code) if instruction.opname in LOADS} & names
    return found.union(*(loaded(value, names) for value in code.co_consts if isinstance(value, cells.CODE)))


def instructions(code, body):
    """Yields a code's instructions; of a class body without the first ones,
    by which the compiler copies the module's __name__."""
    found = dis.get_instructions(code)
    if body:
        for instruction in found:
            if instruction.argval == "__module__":
                break
    return found


def public(names):
    return sorted(name for name in names if not cells.is_private(name) and name not in COMPILER_NAMES)


def main():
    connection = socket.socket(fileno=3)
    connection.set_inheritable(False)
    system.prctl(system.PR_SET_DUMPABLE, 0)
    memory, seconds = int(sys.argv[1]), float(sys.argv[2])
    if memory:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    reader = connection.makefile("rb")
    gc.disable()  # trees are large and hold no cycles
    while True:
        head = reader.read(4)
        if len(head) < 4:
            return
        source = reader.read(struct.unpack(">I", head)[0]).decode("utf-8", "surrogateescape")
        # Time of its own, not of the clock: a busy machine refuses no cell. No
        # handler catches the signal, so that it ends the compiler's loops, too.
        signal.setitimer(signal.ITIMER_PROF, seconds * (1 + len(source) / (1 << 20)))
        answer = json.dumps(analyze(source)).encode("utf-8", "replace")
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.sendall(struct.pack(">I", len(answer)) + answer)
        if len(source) > 100_000:
            gc.collect()
            system.libc.malloc_trim(0)


if __name__ == "__main__":
    main()
