"""The pattern language: every case of patterns/*.yaml, and what no table of cases can say."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidPattern
from shared.triggers.events import compile_pattern

FOLDER = Path(__file__).parent / "patterns"


def cases() -> list[Any]:
    found = []
    for file in sorted(FOLDER.glob("*.yaml")):
        for group in yaml.safe_load(file.read_text()) if file.stem != "refused" else ():
            for expected in ("matches", "misses"):
                for number, event in enumerate(group[expected]):
                    name = f"{file.stem}: {group['about']}, {expected} {number}"
                    found.append(pytest.param(group["pattern"], event, expected == "matches", id=name))
    return found


REFUSED = yaml.safe_load((FOLDER / "refused.yaml").read_text())


def test_there_are_enough_cases():
    assert len(cases()) >= 150


@pytest.mark.parametrize(("pattern", "event", "expected"), cases())
def test_a_pattern_matches_what_it_says(pattern: dict[str, Any], event: dict[str, Any], expected: bool):
    assert compile_pattern(pattern).matches(event) is expected


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: str(case["pattern"])[:60])
def test_a_pattern_that_cannot_be_is_refused_with_its_place(case: dict[str, Any]):
    with pytest.raises(InvalidPattern) as error:
        compile_pattern(case["pattern"])

    assert [each.path for each in error.value.diagnostics] == [case["at"]]
    assert case["word"] in error.value.diagnostics[0].message


def test_all_mistakes_are_told_at_once():
    with pytest.raises(InvalidPattern) as error:
        compile_pattern({"source": "shop", "detail": {"a": [{"prefx": "x"}], "b": []}}, "config.pattern")

    assert [str(each) for each in error.value.diagnostics] == [
        "config.pattern.source: This is 'shop'; a field takes a list of values, or an object. Fix: Write [\"shop\"].",
        (
            "config.pattern.detail.a[0]: There is no operator 'prefx'; allowed are prefix, suffix, equals-ignore-case,"
            " wildcard, anything-but, numeric, cidr, exists. Fix: Did you mean 'prefix'?"
        ),
        (
            "config.pattern.detail.b: This is an empty list, which nothing matches; a field takes a list of values, or"
            " an object. Fix: List the allowed values."
        ),
    ]


def test_a_pattern_has_a_largest_size():
    with pytest.raises(InvalidPattern, match="at most 4096"):
        compile_pattern({"source": ["x" * 5_000]})


def test_wildcards_take_no_longer_than_the_text():
    """A regular expression would go back and forth here for minutes."""
    pattern = compile_pattern({"a": [{"wildcard": "*a" * 200 + "*b"}]})
    began = time.process_time()

    assert not pattern.matches({"a": "a" * 100_000})
    assert time.process_time() - began < 1


LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b"])
EVENTS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner)
    ),
)


@given(EVENTS, LEAVES)
def test_a_field_exists_or_does_not(event: dict[str, Any], value: Any):
    exists, absent, anything_but, wanted = (
        compile_pattern({"a": {"b": [leaf]}}).matches(event)
        for leaf in ({"exists": True}, {"exists": False}, {"anything-but": "nowhere"}, value)
    )

    assert exists is not absent
    assert anything_but is exists
    assert exists or not wanted
