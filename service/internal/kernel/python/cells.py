"""From a cell's source to code: parsing, private names, the shown value.

Used by the workers and by the analyzer, so that both read a cell alike.
"""

import ast
import re
import symtable
import sys

FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
CODE = type((lambda: 0).__code__)

PRIVATE = re.compile(r"(?<!\w)_(?:(?!_)|_(?!\w))")  # may the source hold a private name?
MARK = re.compile("‹cell [^›]{1,64}›")
LINES = re.compile("(?<=\n)|(?<=\r)(?!\n)")  # between lines, as Python knows them: other ends are none
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
BLANKS = re.compile(f"[ \t\f{NO_BREAK_SPACE}]*")


def is_private(name):
    return name == "__" or name.startswith("_") and not name.startswith("__")


def filename(cell):
    """Names a cell in tracebacks by the end of its id: its beginning is the
    time of its making, and much alike in all cells of a notebook."""
    return f"<cell {cell.replace('-', '')[-12:]}>"


def restore(text):
    """Gives private names in a text the spelling that their author knows."""
    return MARK.sub("", text) if "‹cell " in text else text


def parse(source, name):
    """Returns the text as Python reads it, and its tree. A no-break space that
    Python stumbles over is a space; in strings and comments it stays."""
    text = source
    for attempt in range(100):
        try:
            return text, compile(text, name, "exec", ast.PyCF_ONLY_AST | FLAGS, dont_inherit=True)
        except SyntaxError as fault:
            spaced = with_spaces(text, fault)
            if spaced is None:
                raise
            text = spaced
    return text, compile(
        text.replace(NO_BREAK_SPACE, " "), name, "exec", ast.PyCF_ONLY_AST | FLAGS, dont_inherit=True
    )


def with_spaces(text, fault):
    """Returns the text with spaces for the no-break spaces that Python stumbled
    over, or None if it was something else."""
    message = str(fault.msg)
    strange = "U+00A0" in message
    number = message.endswith(" literal")  # the first releases of Python 3.11 blame the number before it
    if NO_BREAK_SPACE not in text or not (strange or number or isinstance(fault, IndentationError)):
        return None
    lines = LINES.split(text)
    if not 1 <= (fault.lineno or 0) <= len(lines):
        return None
    line = lines[fault.lineno - 1]
    # All that stand together: a part of them would be a part of an indent.
    start = fault.offset - 1 if strange else fault.offset if number else 0
    blanks = BLANKS.match(line, start).group()
    if NO_BREAK_SPACE not in blanks:
        return None
    lines[fault.lineno - 1] = line[:start] + blanks.replace(NO_BREAK_SPACE, " ") + line[start + len(blanks) :]
    return "".join(lines)


def shown(text, tree):
    """Splits the last expression off, whose value is shown. Returns the rest,
    that expression or None, and whether a semicolon hides the value."""
    if not tree.body or not isinstance(tree.body[-1], ast.Expr):
        return tree, None, False
    last = tree.body[-1]
    rest = LINES.split(text)[last.end_lineno - 1].encode("utf-8", "surrogatepass")[last.end_col_offset :]
    hidden = rest.lstrip().startswith(b";")
    value = ast.copy_location(ast.Expression(last.value), last)
    return ast.Module(tree.body[:-1], tree.type_ignores), value, hidden


def future(code):
    """The flags of the `from __future__` imports that a code began with."""
    import __future__

    flags = 0
    for name in __future__.all_feature_names:
        flags |= code.co_flags & getattr(__future__, name).compiler_flag
    return flags


def without_docstring(tree):
    """A cell is no module: a text at its beginning is that, and not __doc__."""
    match tree.body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return ast.Module(rest, tree.type_ignores)
    return tree


def compile_both(tree, value, name):
    """Compiles the statements, and the value that follows them."""
    code = compile(without_docstring(tree), name, "exec", FLAGS, dont_inherit=True)
    if value is None:
        return code, None
    return code, compile(value, name, "eval", FLAGS | future(code), dont_inherit=True)


class Prepared:
    """A cell that is ready to run."""

    __slots__ = ("source", "filename", "lines", "code", "value", "hidden", "private")


def prepare(cell, source, defines=()):
    """Compiles a cell that defines those names. SyntaxError, or ValueError for
    what is no text."""
    cell_file = filename(cell)
    text, tree = parse(source, cell_file)
    prepared = Prepared()
    prepared.source, prepared.filename = source, cell_file
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    prepared.lines = (len(text), None, lines, cell_file)
    prepared.private = []
    caught = caught_names(tree).difference(defines) if "except" in text else ()
    if caught or PRIVATE.search(text):
        top = symtable.symtable(text, cell_file, "exec")
        private = bound_private_names(top)
        caught = {name for name in caught if name in top.get_identifiers() and top.lookup(name).is_assigned()}
        marked = {name: f"{name}‹cell {cell}›" for name in private | caught}
        if marked:
            Renamer(marked, private).module(tree, top)
            prepared.private = list(marked.values())
    rest, value, prepared.hidden = shown(text, tree)
    code, prepared.value = compile_both(rest, value, cell_file)
    if prepared.private:
        code, prepared.value = restore_code(code), prepared.value and restore_code(prepared.value)
    prepared.code = code if rest.body else None
    return prepared


def caught_names(tree):
    """The names of `except … as name`, in functions and classes, too."""
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name}


def bound_private_names(top):
    names = set()
    queue = [top]
    while queue:
        table = queue.pop()
        queue.extend(table.get_children())
        for symbol in table.get_symbols():
            name = symbol.get_name()
            if is_private(name) and (symbol.is_assigned() or symbol.is_imported()):
                if table is top or symbol.is_declared_global():
                    names.add(name)
    return names


def restore_code(code):
    """Functions and classes go by the names that their author gave them; only
    the variables that hold them are marked."""
    constants = tuple(
        restore_code(value) if isinstance(value, CODE) else restore(value) if isinstance(value, str) else value
        for value in code.co_consts
    )
    return code.replace(
        co_consts=constants, co_name=restore(code.co_name), co_qualname=restore(code.co_qualname)
    )


def of_module(name, table):
    """Tells whether a name in the scope of table is the module's variable."""
    if table.get_type() == "module":
        return True
    try:
        return table.lookup(name).is_global()
    except KeyError:
        return False


class Renamer:
    """Renames variables of the module's scope wherever they are used. Which
    names are of that scope is the symbol table's word alone; this only walks
    tree and tables side by side.

    Private names are renamed in the whole cell. A name that is bound by nothing
    but `except … as name` is renamed in the body of that: as Python deletes it
    at the end, it would take another cell's variable with it."""

    SCOPES = {
        ast.ListComp: "listcomp",
        ast.SetComp: "setcomp",
        ast.DictComp: "dictcomp",
        ast.GeneratorExp: "genexpr",
        ast.Lambda: "lambda",
    }

    def __init__(self, marked, private):
        self.marked = marked
        self.names = {name: marked[name] for name in private}  # where the visit is
        self.unused = {}

    def module(self, tree, top):
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, 10_000))
        try:
            self.all(tree.body, top)
        finally:
            sys.setrecursionlimit(limit)

    def name(self, name, table):
        """Returns the name to use for name in the scope of table."""
        return self.names[name] if name in self.names and of_module(name, table) else name

    def inner(self, table, name, line):
        """Returns the next unused table of that name and line below table."""
        children = self.unused.setdefault(table.get_id(), list(table.get_children()))
        for index, child in enumerate(children):
            if child.get_name() == name and child.get_lineno() == line and str(child.get_type()) in ("function", "class"):
                del children[index]
                return child
        for child in children:  # of generic functions and of annotations
            if str(child.get_type()) not in ("function", "class"):
                found = self.inner(child, name, line)
                if found is not None:
                    return found
        return None

    def all(self, nodes, table):
        for node in nodes:
            self.visit(node, table)

    def visit(self, node, table):
        if node is None:
            return
        match node:
            case ast.Name():
                node.id = self.name(node.id, table)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                inner = self.function(node, node.name, table)
                self.all(node.body, inner)
                node.name = self.name(node.name, table)
            case ast.Lambda():
                self.visit(node.body, self.function(node, "lambda", table))
            case ast.ClassDef():
                self.all(node.bases, table)
                self.all(node.keywords, table)
                self.all(node.decorator_list, table)
                self.all(node.body, self.inner(table, node.name, node.lineno) or table)
                node.name = self.name(node.name, table)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self.comprehension(node, table)
            case ast.Import() | ast.ImportFrom():
                node.names = [new for alias in node.names for new in self.alias(node, alias, table)]
            case ast.Global():
                node.names = [self.names.get(name, name) for name in node.names]
            case ast.ExceptHandler():
                self.visit(node.type, table)
                outside = self.names
                if node.name in self.marked and of_module(node.name, table):
                    self.names = {**outside, node.name: self.marked[node.name]}
                node.name = node.name and self.name(node.name, table)
                self.all(node.body, table)
                self.names = outside
            case ast.MatchAs() | ast.MatchStar():
                self.visit(getattr(node, "pattern", None), table)
                node.name = node.name and self.name(node.name, table)
            case ast.MatchMapping():
                self.all(node.keys, table)
                self.all(node.patterns, table)
                node.rest = node.rest and self.name(node.rest, table)
            case _:
                self.all(ast.iter_child_nodes(node), table)

    def function(self, node, name, table):
        """Visits what is evaluated outside a function; returns its table."""
        arguments = node.args
        self.all(arguments.defaults, table)
        self.all(arguments.kw_defaults, table)
        for argument in [
            *arguments.posonlyargs,
            *arguments.args,
            arguments.vararg,
            *arguments.kwonlyargs,
            arguments.kwarg,
        ]:
            if argument is not None:
                self.visit(argument.annotation, table)
        self.visit(getattr(node, "returns", None), table)
        self.all(getattr(node, "decorator_list", ()), table)
        return self.inner(table, name, node.lineno) or table

    def comprehension(self, node, table):
        first, *others = node.generators
        self.visit(first.iter, table)
        inner = self.inner(table, self.SCOPES[type(node)], node.lineno) or table
        self.visit(first.target, inner)
        self.all(first.ifs, inner)
        self.all(others, inner)
        if isinstance(node, ast.DictComp):
            self.visit(node.value, inner)
            self.visit(node.key, inner)
        else:
            self.visit(node.elt, inner)

    def alias(self, node, alias, table):
        bound = alias.asname or alias.name.partition(".")[0]
        name = self.name(bound, table)
        if name == bound:
            return [alias]
        if isinstance(node, ast.Import) and not alias.asname and "." in alias.name:
            # `import _a.b` binds _a: import the one, then bind the other.
            first = ast.copy_location(ast.alias(alias.name, name), alias)
            return [first, ast.copy_location(ast.alias(bound, name), alias)]
        return [ast.copy_location(ast.alias(alias.name, name), alias)]
