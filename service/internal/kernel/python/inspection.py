"""Looks at a cell's variables without running code that a cell wrote."""

import builtins
import inspect
import keyword
import linecache
import pkgutil
import re
import reprlib
import signal
import sys
import types

import cells
import outputs

# What Python itself puts into a module.
OF_ANY_MODULE = {*vars(types.ModuleType("")), "__builtins__", "__annotations__", "__annotate__", "__conditional_annotations__"}

MAX_MATCHES = 500
MAX_VARIABLES = 2000
SUMMARY = 200

WORD = re.compile(r"[^\W\d]\w*(?:\s*\.\s*[^\W\d]\w*)*\s*\.?\s*\Z|[^\W\d]\w*\Z")
IMPORT = re.compile(r"^\s*(?:import|from)\s+(?:[\w.]+\s*,\s*)*(?:([\w.]+)\.)?\w*\Z")
IMPORT_FROM = re.compile(r"^\s*from\s+([\w.]+)\s+import\s+(?:\(\s*)?(?:\w+(?:\s+as\s+\w+)?\s*,\s*)*\w*\Z")

short = reprlib.Repr()
short.maxstring = short.maxother = short.maxlong = 100
short.maxlist = short.maxtuple = short.maxdict = short.maxset = short.maxfrozenset = 6


def patch_getfile():
    """inspect.getsource finds functions of cells by itself. Classes it looks
    for in their module's file, and __main__ has none here: their methods know
    where they are from."""
    original = inspect.getfile

    def getfile(object):
        if isinstance(object, type) and object.__module__ == "__main__":
            for value in vars(object).values():
                value = getattr(value, "__func__", getattr(value, "fget", value))
                code = getattr(value, "__code__", None)
                if isinstance(code, types.CodeType) and code.co_qualname.startswith(object.__qualname__ + "."):
                    return code.co_filename
            pattern = re.compile(rf"^\s*class\s+{re.escape(object.__name__)}\b", re.MULTILINE)
            for name, entry in reversed(list(linecache.cache.items())):
                if name.startswith("<cell ") and len(entry) == 4 and pattern.search("".join(entry[2])):
                    return name
        return original(object)

    inspect.getfile = getfile


def public(space):
    return {
        name: value
        for name, value in list(space.items())
        if isinstance(name, str) and not cells.is_private(name) and name not in OF_ANY_MODULE and not cells.MARK.search(name)
    }


def variables(space):
    found = []
    slow = 0
    for name, value in list(public(space).items())[:MAX_VARIABLES]:
        text = ""
        if slow < 3:
            text = outputs.guarded(lambda: summary(value), None, 0.3)
            if text is None:
                slow += 1
                text = "(takes too long to show)"
        found.append({"name": name, "type": outputs.type_name(value), "summary": text[:SUMMARY]})
    return found


def summary(value):
    try:
        if isinstance(value, types.ModuleType):
            return str(value.__name__)
        if isinstance(value, types.FunctionType):
            return signature(value)
        if isinstance(value, type):
            return f"class {value.__qualname__}"
        module = type(value).__module__.partition(".")[0]
        if module in ("numpy", "pandas", "polars", "torch") and hasattr(value, "shape"):
            shape = " × ".join(map(str, value.shape))
            kind = getattr(value, "dtype", None)
            return f"{shape} {kind}" if shape and kind is not None else shape or repr(value)
        return " ".join(short.repr(value).split())
    except Exception as fault:
        return f"(its __repr__ raised {type(fault).__name__})"


def signature(function):
    code = function.__code__
    names = list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    if code.co_kwonlyargcount:
        names.insert(code.co_argcount, "*")
    place = code.co_argcount + code.co_kwonlyargcount
    if code.co_flags & inspect.CO_VARARGS:
        star = "*" + code.co_varnames[place]
        if "*" in names:
            names[names.index("*")] = star
        else:
            names.append(star)
        place += 1
    if code.co_flags & inspect.CO_VARKEYWORDS:
        names.append("**" + code.co_varnames[place])
    return "(" + ", ".join(names) + ")"


def complete(space, source, cursor):
    """Completes the name before the cursor, which counts UTF-16 units."""
    before = source.encode("utf-16-le", "surrogatepass")[: cursor * 2].decode("utf-16-le", "replace")
    line = before[before.rfind("\n") + 1 :]
    found = WORD.search(line)
    expression = found.group() if found else ""
    owner, dot, prefix = expression.rpartition(".")
    prefix = prefix.strip()
    if before and not dot and line[: len(line) - len(prefix)].rstrip().endswith("."):
        return reply(cursor, "", [])  # an attribute of something that isn't a plain name
    if within := IMPORT.match(line):
        candidates = {name: ("module", "") for name in modules(within.group(1))}
    elif within := IMPORT_FROM.match(line):
        candidates = importable(within.group(1))
    elif dot:
        preceding = line[: found.start()].rstrip()
        if preceding.endswith((".", ")", "]", '"', "'")):
            return reply(cursor, prefix, [])
        candidates = attributes(space, [part.strip() for part in owner.split(".")])
    else:
        candidates = {word: ("keyword", "") for word in keyword.kwlist}
        for place in (vars(builtins), public(space)):
            for name, value in list(place.items()):
                candidates[name] = kind(value)
    matches = [
        {"text": name, "type": candidates[name][0], "detail": candidates[name][1]}
        for name in sorted(candidates, key=lambda name: (name.startswith("_"), name.lower(), name))
        if name.startswith(prefix) and name != prefix and (prefix.startswith("_") or not name.startswith("_"))
    ]
    return reply(cursor, prefix, matches[:MAX_MATCHES])


def reply(cursor, prefix, matches):
    return {"start": cursor - len(prefix.encode("utf-16-le", "surrogatepass")) // 2, "end": cursor, "matches": matches}


def modules(package):
    """The names of modules, or of those in a package that is imported already:
    nothing is imported to find out."""
    if package is None:
        return (set(sys.stdlib_module_names) | {name.partition(".")[0] for name in list(sys.modules)}) - {"__main__"}
    inside = package + "."
    names = {name[len(inside) :].partition(".")[0] for name in list(sys.modules) if name.startswith(inside)}
    module = sys.modules.get(package)
    places = vars(module).get("__path__") if type(module) is types.ModuleType else None
    return names | {found.name for found in pkgutil.iter_modules(places)} if places else names


def importable(name):
    """What can be imported from a module that is imported already."""
    module = sys.modules.get(name)
    if type(module) is not types.ModuleType:
        return {}
    return {**{name: ("module", "") for name in modules(name)}, **{name: kind(value) for name, value in list(vars(module).items())}}


def attributes(space, path):
    """The attributes of what a dotted name stands for, found without calling
    properties, __getattr__ or __dir__ of a cell's own classes."""
    name, *rest = path
    missing = object()
    value = space.get(name, vars(builtins).get(name, missing))
    for part in rest:
        if value is missing:
            break
        found = inspect.getattr_static(value, part, missing)
        if found is missing and isinstance(value, types.ModuleType):
            found = sys.modules.get(f"{value.__name__}.{part}", missing)
        if hasattr(type(found), "__get__") and not isinstance(found, (types.FunctionType, types.BuiltinFunctionType, type)):
            # A library's property may be computed, one of a cell may do anything.
            found = getattr(value, part, missing) if type(value).__module__ != "__main__" else missing
        value = found
    if value is missing:
        return {}
    names = set()
    if type(value).__module__ != "__main__" and not (isinstance(value, type) and value.__module__ == "__main__"):
        names.update(name for name in dir(value) if isinstance(name, str))
    else:
        for owner in (value, *(value.__mro__ if isinstance(value, type) else ()), *type(value).__mro__):
            try:
                names.update(object.__getattribute__(owner, "__dict__"))
            except (AttributeError, TypeError):
                names.update(type.__getattribute__(owner, "__dict__") if isinstance(owner, type) else ())
    return {name: kind(inspect.getattr_static(value, name, None)) for name in names}


def kind(value):
    if isinstance(value, types.ModuleType):
        return "module", ""
    if isinstance(value, type):
        return "class", ""
    if isinstance(value, types.FunctionType):
        return "function", signature(value)
    if isinstance(value, (types.BuiltinFunctionType, types.MethodType, types.MethodDescriptorType, classmethod, staticmethod)):
        return "function", ""
    if isinstance(value, property):
        return "property", ""
    return "instance", type(value).__name__
