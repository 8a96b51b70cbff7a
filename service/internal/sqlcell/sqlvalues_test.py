"""Run by the Go tests: plain, and with pandas where it is installed."""

import datetime as dt
import decimal
import json
import math
import sys
import unittest
import uuid

import sqlvalues

try:
    import pandas
except ImportError:
    pandas = None

UTC = dt.timezone.utc
ROWS = [  # type, values on the wire, values in Python
    ("int", [1, -(2**63), None], [1, -(2**63), None]),
    ("float", [0.5, 1, "NaN", "Infinity", None], [0.5, 1.0, math.nan, math.inf, None]),
    ("bool", [True, False, None], [True, False, None]),
    ("decimal", ["1.50", "NaN", None], [decimal.Decimal("1.50"), decimal.Decimal("NaN"), None]),
    ("text", ["a", "", None], ["a", "", None]),
    ("date", ["2024-02-29", "0001-01-01", None], [dt.date(2024, 2, 29), dt.date.min, None]),
    ("time", ["01:02:03", "01:02:03.000004+05:30"],
     [dt.time(1, 2, 3), dt.time(1, 2, 3, 4, dt.timezone(dt.timedelta(minutes=330)))]),
    ("timestamp", ["2024-02-29T01:02:03", "9999-12-31T23:59:59.999999", None],
     [dt.datetime(2024, 2, 29, 1, 2, 3), dt.datetime.max, None]),
    ("timestamptz", ["2024-02-29T01:02:03.000004+00:00", None], [dt.datetime(2024, 2, 29, 1, 2, 3, 4, UTC), None]),
    ("interval", ["93784000005", "-1000000", None],
     [dt.timedelta(days=1, hours=2, minutes=3, seconds=4, microseconds=5), dt.timedelta(seconds=-1), None]),
    ("bytes", ["AP8Q", ""], [b"\x00\xff\x10", b""]),
    ("json", ['{"a": [1, 12345678901234567890]}', "null"], [{"a": [1, 12345678901234567890]}, None]),
    ("uuid", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], [uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")]),
    ("int[]", [[1, None], [], None], [[1, None], [], None]),
    ("decimal[]", [[["1.5"], ["2"]]], [[[decimal.Decimal("1.5")], [decimal.Decimal(2)]]]),
    ("any", [["int", 1], ["text", "a"], ["bytes", "AA=="], None], [1, "a", b"\0", None]),
    ("null", [None, None], [None, None]),
]


def result(kind, values):
    return json.dumps({"rows": len(values), "columns": [{"name": "v", "type": kind, "values": values}]})


def same(a, b):
    if isinstance(a, (float, decimal.Decimal)) and isinstance(b, (float, decimal.Decimal)) and a != a:
        return b != b
    return type(a) is type(b) and a == b


class Lists(unittest.TestCase):
    def test_rows_are_dicts_of_values_of_their_types(self):
        for kind, wire, values in ROWS:
            with self.subTest(kind):
                rows = sqlvalues.decode_result(result(kind, wire))
                self.assertEqual(len(rows), len(values))
                for row, value in zip(rows, values):
                    self.assertTrue(same(row["v"], value), (row, value))

    def test_no_columns_are_no_rows(self):
        self.assertEqual(sqlvalues.decode_result('{"rows":0,"columns":[]}'), [])


@unittest.skipIf(pandas is None, "pandas is not installed")
class Frames(unittest.TestCase):
    def frame(self, kind, wire):
        return sqlvalues.decode_result(result(kind, wire), pandas)

    def test_values_are_those_of_the_lists(self):
        for kind, wire, values in ROWS:
            with self.subTest(kind):
                column = self.frame(kind, wire)["v"]
                self.assertEqual(len(column), len(values))
                for got, value in zip(column, values):
                    if value is None:
                        self.assertTrue(got is None or pandas.isna(got), got)
                    elif isinstance(value, (list, dict)):
                        self.assertEqual(got, value)
                    elif value != value:
                        self.assertTrue(got != got)
                    else:
                        self.assertEqual(got, value)

    def test_columns_have_their_types(self):
        major = int(pandas.__version__.partition(".")[0])
        text = "str" if major >= 3 else "object"
        unit = "us" if major >= 2 else "ns"
        for kind, wire, dtype in [
            ("int", [1], "int64"), ("int", [1, None], "Int64"), ("int", [], "int64"), ("bool", [True], "bool"),
            ("bool", [None], "boolean"), ("float", [None], "float64"), ("text", ["a", None], text), ("text", [], text),
            ("timestamp", [], f"datetime64[{unit}]"), ("timestamp", ["2024-02-29T01:02:03", None], f"datetime64[{unit}]"),
            ("timestamptz", [None], f"datetime64[{unit}, UTC]"), ("interval", ["1"], f"timedelta64[{unit}]"), ("date", ["2024-02-29"], "object"),
            ("int[]", [[1, 2], [3, 4]], "object"), ("null", [None], "object"),
        ]:
            with self.subTest(kind, wire=wire):
                frame = self.frame(kind, wire)
                self.assertEqual(str(frame["v"].dtype), dtype)
                self.assertEqual(frame.shape, (len(wire), 1))

    def test_no_columns_are_an_empty_frame(self):
        self.assertEqual(sqlvalues.decode_result('{"rows":0,"columns":[]}', pandas).shape, (0, 0))

    def test_scalars_of_libraries_are_parameters(self):
        import numpy

        for value, wire in [
            (pandas.NaT, None), (pandas.NA, None), (numpy.int32(5), 5), (numpy.bool_(True), True), (numpy.float64(0.5), 0.5),
            (numpy.str_("a"), "a"), (numpy.array([1, 2]), [1, 2]), (pandas.Series(["a", None], dtype=object), ["a", None]),
            (pandas.Index([1.5]), [1.5]), (numpy.datetime64("2024-02-29T01:02:03"), {"type": "timestamp", "value": "2024-02-29T01:02:03"}),
            (pandas.Timestamp("2024-02-29T01:02:03.000004567"), {"type": "timestamp", "value": "2024-02-29T01:02:03.000004"}),
            (pandas.Timestamp("2024-02-29", tz="Asia/Tokyo"), {"type": "timestamptz", "value": "2024-02-28T15:00:00+00:00"}),
            (pandas.Timedelta(seconds=1), {"type": "interval", "value": "1000000"}),
            (pandas.DataFrame({"a": [1]}), {"type": "unsupported"}),
        ]:
            with self.subTest(repr(value)):
                got = sqlvalues.encode(value)
                if isinstance(wire, dict) and wire["type"] == "unsupported":
                    self.assertEqual(got["type"], "unsupported")
                    self.assertTrue(got["value"].endswith("DataFrame"))
                else:
                    self.assertEqual(got, wire)
                    self.assertIs(type(got), type(wire))


class Parameters(unittest.TestCase):
    def test_values_are_encoded_with_their_types(self):
        berlin = dt.timezone(dt.timedelta(hours=2))
        values = {
            "none": None, "yes": True, "big": 2**70, "half": 0.5, "nan": math.nan, "infinite": -math.inf, "text": "ü\ud800\0",
            "exact": decimal.Decimal("1.50"), "day": dt.date(2024, 2, 29), "clock": dt.time(1, 2, 3, 4), "naive": dt.datetime(2024, 2, 29, 1, 2, 3),
            "aware": dt.datetime(2024, 2, 29, 1, 2, 3, 4, berlin), "span": dt.timedelta(days=-1, microseconds=1), "id": uuid.UUID(int=1),
            "raw": b"\x00\xff\x10", "items": [1, (2, None)], "object": {"a": [1, None]}, "function": len, "cycle": {1, 2},
        }
        values["object"]["deep"] = {"b": 1}
        self.assertEqual(json.loads(sqlvalues.encode_parameters(values)), {
            "none": None, "yes": True, "big": 2**70, "half": 0.5, "nan": {"type": "float", "value": "NaN"},
            "infinite": {"type": "float", "value": "-Infinity"}, "text": "ü?\0", "exact": {"type": "decimal", "value": "1.50"},
            "day": {"type": "date", "value": "2024-02-29"}, "clock": {"type": "time", "value": "01:02:03.000004"},
            "naive": {"type": "timestamp", "value": "2024-02-29T01:02:03"},
            "aware": {"type": "timestamptz", "value": "2024-02-28T23:02:03.000004+00:00"},
            "span": {"type": "interval", "value": "-86399999999"}, "id": {"type": "uuid", "value": str(uuid.UUID(int=1))},
            "raw": {"type": "bytes", "value": "AP8Q"}, "items": [1, [2, None]],
            "object": {"type": "json", "value": '{"a": [1, null], "deep": {"b": 1}}'},
            "function": {"type": "unsupported", "value": "builtin_function_or_method"}, "cycle": [1, 2],
        })

    def test_what_holds_itself_is_unsupported(self):
        endless = []
        endless.append(endless)
        self.assertEqual(sqlvalues.encode(endless)["type"], "unsupported")
        self.assertEqual(sqlvalues.encode({"a": object()})["type"], "unsupported")


if __name__ == "__main__":
    print("pandas" if pandas else "plain", file=sys.stderr)
    unittest.main()
