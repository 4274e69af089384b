"""The pattern language against `events:TestEventPattern`: every case of tests/triggers/patterns.

Cases are put below `detail`, since an event has to have the other fields. Where the emulator departs from what
EventBridge documents, `DEPARTS` says so, with the documented answer standing in the table of cases.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from shared.errors import InvalidPattern
from shared.triggers.events import compile_pattern

FOLDER = Path(__file__).parents[1] / "triggers" / "patterns"
EVENT = {
    "id": "1",
    "source": "shop",
    "detail-type": "sold",
    "account": "000000000000",
    "time": "2026-01-01T00:00:00Z",
    "region": "us-east-1",
    "resources": [],
}
DEPARTS = {
    "anything-but of a field that is absent": ("anything but a text", "anything but a number"),
    "true and 1, false and 0 are one": (
        "true and false are themselves",
        "false is not zero",
        "one is not true",
        "a range",
        "anything but zero",
    ),
    "text operators fail on what is no text": (
        "anything but a prefix",
        "anything but some prefixes",
        "anything but a suffix",
        "anything but, ignoring case",
        "anything but a wildcard",
        "prefix",
        "prefix, ignoring case",
        "every text has the empty prefix",
        "equals-ignore-case",
    ),
    "fields of an array's objects are looked at one by one": (
        "does not exist",
        "absent in all elements of an array",
        "several fields of an array of objects match in one element",
        "arrays inside of arrays of objects",
        "or inside of an array of objects",
    ),
    "a wildcard takes one character at least, and knows no line breaks": (
        "wildcard in the middle",
        "pieces of a wildcard do not overlap",
        "several wildcards",
        "one wildcard alone is any text",
        "an escaped asterisk, an escaped backslash",
        "other characters mean themselves",
    ),
    "a number is taken for an address": ("addresses of a block",),
}
LETS_PASS: tuple[dict[str, Any], ...] = (
    {},
    {"detail": {}},
    {"source": [{"wildcard": "a\\n"}]},
    {"source": [{"wildcard": "a\\"}]},
    {"a": [{"numeric": [">", True]}]},
    {"a": [{"numeric": [">", 5_000_000_001]}]},
    *({"a": [{"anything-but": value}]} for value in ([], None, True, ["a", 1], ["a", None])),
    {"$or": [{"a": [1]}]},
    {"$or": {"a": [1]}},
    {"$or": [{"a": [1]}, {}]},
    {"$or": [{"a": [1]}, {"prefix": ["b"]}]},
)
"""What EventBridge documents as invalid, and the emulator takes.
Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html"""


def cases() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """What each is about, a pattern, and an event."""
    for file in sorted(FOLDER.glob("*.yaml")):
        for group in yaml.safe_load(file.read_text()) if file.stem != "refused" else ():
            for event in (*group["matches"], *group["misses"]):
                yield group["about"], group["pattern"], event


def test_patterns_match_what_the_emulator_says(aws: Callable[[str], Any]) -> None:
    events, same, departing = aws("events"), 0, set()
    for about, pattern, event in cases():
        below = {"detail": {"event": pattern}}
        try:
            answer = events.test_event_pattern(
                EventPattern=json.dumps(below), Event=json.dumps({**EVENT, "detail": {"event": event}})
            )["Result"]
        except ClientError:
            answer = None
        if answer is compile_pattern(pattern).matches(event):
            same += 1
        else:
            departing.add(about)
    assert same >= 250
    assert departing <= {about for group in DEPARTS.values() for about in group}


@pytest.mark.parametrize("case", yaml.safe_load((FOLDER / "refused.yaml").read_text()), ids=lambda case: str(case)[:60])
def test_what_is_refused_here_is_refused_there(aws: Callable[[str], Any], case: dict[str, Any]) -> None:
    with pytest.raises(InvalidPattern):
        compile_pattern(case["pattern"])
    with nullcontext() if case["pattern"] in LETS_PASS else pytest.raises(ClientError):
        aws("events").test_event_pattern(
            EventPattern=json.dumps(case["pattern"]), Event=json.dumps({**EVENT, "detail": {}})
        )
