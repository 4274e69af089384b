"""Reading the inputs of bulk runs."""

from typing import Any

import orjson
import pytest

from shared.bulk import inputs
from shared.bulk.inputs import CSV, JSON, JSONL, read
from shared.bulk.records import BulkRun, new_bulk_id
from shared.clock import SystemClock
from shared.errors import MalformedRequest, MillraceError, RequestTooLarge
from shared.executions.records import Priority
from shared.ids import is_id

SCHEMA = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "vip": {"type": "boolean"}},
}


def values(data: bytes, media_type: str, schema: Any = None) -> list[Any]:
    found = read(data, media_type, schema)
    assert not found.invalid
    return [orjson.loads(line) for line in found.lines.splitlines()]


@pytest.mark.parametrize(
    ("data", "media_type", "expected"),
    [
        (b'[{"a": 1}, 2, null, "x"]', JSON, [{"a": 1}, 2, None, "x"]),
        (b'{"a": 1}\n\n2\r\n"x"', JSONL, [{"a": 1}, 2, "x"]),
        (b"name,age\nAda,36\n", CSV, [{"name": "Ada", "age": "36"}]),
        (b'\xef\xbb\xbfname\n"two\nlines"\n\n"a ""quote"""\n', CSV, [{"name": "two\nlines"}, {"name": 'a "quote"'}]),
    ],
)
def test_inputs_in_each_format(data: bytes, media_type: str, expected: list[Any]):
    assert values(data, media_type) == expected


def test_cells_become_what_the_schema_asks_for_where_they_read_as_that():
    rows = b"name,age,vip\n12,36,TRUE\n"

    assert values(rows, CSV, SCHEMA) == [{"name": "12", "age": 36, "vip": True}]
    broken = read(b"name,age\nAda,old\nGrace,79\n", CSV, SCHEMA)
    assert (broken.valid, broken.invalid, broken.diagnostics[0].path) == (1, 1, "inputs[0].age")


def test_mistakes_name_their_input_and_the_first_ones_are_told():
    data = orjson.dumps([{"name": "Ada"}, {"nam": 1}, *({} for _ in range(100))])

    found = read(data, JSON, SCHEMA)

    assert (found.valid, found.invalid, len(found.diagnostics)) == (1, 101, 20)
    assert (found.diagnostics[0].path, found.diagnostics[0].code) == ("inputs[1].name", "input.required")


def test_an_input_that_is_too_large_is_a_mistake_of_its_own():
    found = read(orjson.dumps(["x" * 200_000, "y"]), JSON, None)

    assert (found.valid, found.diagnostics[0].code) == (1, "input.too_large")


@pytest.mark.parametrize(
    ("data", "media_type", "words"),
    [
        (b'{"a": 1}', JSON, "an array"),
        (b"[", JSON, "not valid JSON"),
        (b'1\n{"a": \n', JSONL, "Line 2 is not valid JSON"),
        (b"[]", JSON, "no input"),
        (b"name\n", CSV, "no input"),
        (b"", CSV, "no input"),
        (b"name,name\nAda,36\n", CSV, "each once"),
        (b"name,age\nAda\n", CSV, "Line 2 has 1 fields, and the header has 2"),
        (b'name\n"Ada\n', CSV, "not valid CSV"),
        (b"name\n\xff\n", CSV, "not UTF-8"),
    ],
)
def test_what_cannot_be_read_says_where(data: bytes, media_type: str, words: str):
    with pytest.raises(MillraceError, match=words) as caught:
        read(data, media_type, None)
    assert isinstance(caught.value, MalformedRequest)


def test_there_may_be_only_so_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inputs, "MAX_ITEMS", 3)

    assert read(b"1\n2\n3\n", JSONL, None).valid == 3
    with pytest.raises(RequestTooLarge):
        read(b"1\n2\n3\n4\n", JSONL, None)


def test_items_have_ids_that_count_up_from_the_run():
    run = BulkRun(new_bulk_id(), "p", "w", 1, 100_000, 0, 10, Priority.LOW, "c", SystemClock().now())
    ids = [run.item_id(index) for index in (0, 1, 99_999)]

    assert all(is_id(each) and each[14] == "7" for each in [run.id, *ids])
    assert [run.id, *ids] == sorted([run.id, *ids])
    assert [run.index_of(each) for each in ids] == [0, 1, 99_999]
