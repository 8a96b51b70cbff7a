"""Values between a kernel and the service that runs SQL cells.

encode_parameters writes the variables that a cell refers to; decode_result
reads its rows. The forms of the values are described at Result.Encode of the
package that this file belongs to. Only the standard library is needed; pandas
is used if it is given.
"""

import base64
import datetime
import decimal
import json
import math
import uuid


def encode_parameters(values):
    """Returns the JSON text of {name: value}. A value that no database takes
    is written as such, so that the cell's error can name it."""
    return json.dumps({name: encode(value) for name, value in values.items()}, ensure_ascii=False, allow_nan=False)


DEPTH = 20  # of lists within lists; PostgreSQL's arrays have at most 6 dimensions


def encode(value, depth=0):
    """One value as JSON can carry it."""
    if depth > DEPTH:
        raise RecursionError
    try:
        return encoded(value, depth)
    except RecursionError:
        if depth > 0:
            raise
        return unsupported(value)


def encoded(value, depth):
    if value is None or isinstance(value, (bool, str)):
        return scrubbed(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return tagged("float", "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity")
    if isinstance(value, decimal.Decimal):
        return tagged("decimal", str(value)) if not value.is_snan() else unsupported(value)
    kind = type(value)
    if kind.__name__ in ("NaTType", "NAType") and kind.__module__.startswith("pandas."):
        return None
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            return tagged("timestamp", value.replace(fold=0).isoformat()[:26])
        whole = datetime.datetime.fromisoformat(value.isoformat()[:19]) - value.utcoffset()
        return tagged("timestamptz", whole.replace(microsecond=value.microsecond).isoformat() + "+00:00")
    if isinstance(value, datetime.date):
        return tagged("date", value.isoformat())
    if isinstance(value, datetime.time):
        return tagged("time", value.isoformat())
    if isinstance(value, datetime.timedelta):
        return tagged("interval", str(value // datetime.timedelta(microseconds=1)))
    if isinstance(value, uuid.UUID):
        return tagged("uuid", str(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return tagged("bytes", base64.b64encode(value).decode())
    if isinstance(value, (list, tuple, set, frozenset, range)):
        return [encode(item, depth + 1) for item in value]
    if isinstance(value, dict):
        try:
            return tagged("json", json.dumps(value, ensure_ascii=False, allow_nan=False))
        except (TypeError, ValueError):
            return unsupported(value)
    module = kind.__module__.partition(".")[0]
    if module in ("numpy", "pandas"):
        if kind.__name__ == "datetime64" or kind.__name__ == "timedelta64":
            return encode(value.astype(kind.__name__ + "[us]").item())
        if kind.__name__ == "ndarray" or kind.__name__.endswith("Index") or kind.__name__ == "Series":
            return [encode(item, depth + 1) for item in value.tolist()]
        if module == "numpy" and hasattr(value, "item"):
            item = value.item()
            if type(item) is not kind:
                return encode(item)
    return unsupported(value)


def scrubbed(value):
    """Lone surrogates can't be part of UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return value


def tagged(kind, text):
    return {"type": kind, "value": scrubbed(text)}


def unsupported(value):
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return {"type": "unsupported", "value": scrubbed(name)}


def decode_result(text, pandas=None):
    """Returns the rows: a data frame if pandas is given, else a list of dicts.
    A frame's columns are int64, Int64 (with NULL), float64, bool, boolean (with
    NULL), str, datetime64[us], datetime64[us, UTC], timedelta64[us]; of dates,
    times, decimals, bytes, UUIDs, lists and JSON they are objects. Pandas 1
    knows nanoseconds only: a column that doesn't fit into them is objects, too."""
    result = json.loads(text)
    if pandas is None:
        names = [column["name"] for column in result["columns"]]
        columns = [decode_column(column["type"], column["values"]) for column in result["columns"]]
        return [dict(zip(names, row)) for row in zip(*columns)]
    return pandas.DataFrame(
        {column["name"]: series(pandas, column["type"], column["values"]) for column in result["columns"]},
        index=pandas.RangeIndex(result["rows"]),
    )


def series(pandas, kind, values):
    """One column of a frame."""
    if kind in ("timestamp", "timestamptz", "interval"):
        try:
            return temporal(pandas, kind, values)
        except (pandas.errors.OutOfBoundsDatetime, pandas.errors.OutOfBoundsTimedelta):
            pass
    if kind == "int":
        return pandas.Series(values, dtype="Int64" if None in values else "int64")
    if kind == "bool":
        return pandas.Series(values, dtype="boolean" if None in values else "bool")
    if kind == "float":
        return pandas.Series([math.nan if value is None else float(value) for value in values], dtype="float64")
    if kind == "text" and int(pandas.__version__.partition(".")[0]) >= 3:
        return pandas.Series(values, dtype="str")
    import numpy

    objects = numpy.empty(len(values), dtype=object)
    for row, value in enumerate(decode_column(kind, values)):  # one by one: a list is a value here
        objects[row] = value
    return pandas.Series(objects, dtype=object)


def temporal(pandas, kind, values):
    """A column of moments or spans of time."""
    import numpy

    if kind == "interval":
        spans = ["NaT" if value is None else int(value) for value in values]
        return pandas.Series(numpy.array(spans, dtype="timedelta64[us]"))
    zone = -6 if kind == "timestamptz" else None  # always +00:00
    moments = ["NaT" if value is None else value[:zone] for value in values]
    column = pandas.Series(numpy.array(moments, dtype="datetime64[us]"))
    return column.dt.tz_localize("UTC") if zone else column


def decode_column(kind, values):
    if kind in ("int", "bool", "text", "null"):
        return values
    read = reader(kind)
    return [None if value is None else read(value) for value in values]


def reader(kind):
    """The function that reads a value which is not NULL."""
    if kind.endswith("[]"):
        read = reader(kind[:-2])

        def items(value):
            if value is None:
                return None
            return [items(item) for item in value] if isinstance(value, list) else read(value)

        return items
    if kind == "any":
        return lambda pair: reader(pair[0])(pair[1])
    return READERS[kind]


READERS = {
    "null": lambda value: value,
    "bool": lambda value: value,
    "int": lambda value: value,
    "text": lambda value: value,
    "float": float,
    "decimal": decimal.Decimal,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timestamp": datetime.datetime.fromisoformat,
    "timestamptz": datetime.datetime.fromisoformat,
    "interval": lambda value: datetime.timedelta(microseconds=int(value)),
    "bytes": base64.b64decode,
    "json": json.loads,
    "uuid": uuid.UUID,
}
