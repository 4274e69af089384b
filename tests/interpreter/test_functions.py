"""Step Functions' own functions. Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html"""

import hashlib
import uuid

import pytest

from tests.interpreter.harness import FAILED, Case, check, pass_, play

VALUES = [
    ("$partition([1,2,3,4,5], 2)", [[1, 2], [3, 4], [5]]),
    ("$partition([1,2,3], 2.9)", [[1, 2], [3]]),
    ("$range(0, 10, 5)", [0, 5, 10]),
    ("$range(3, 1, -1)", [3, 2, 1]),
    ("$range(-1.7, 2, 1)", [-1, 0, 1, 2]),
    ("$range(1, 1, 1)", 1),
    ("$partition([], 2)", []),
    ("$partition([1,2,3], 10)", [[1, 2, 3]]),
    ("$count($range(1, 1000, 1))", 1000),
    ("$hash('', 'SHA-1')", hashlib.sha1(b"").hexdigest()),
    ("$hash('a', 'SHA-384')", hashlib.sha384(b"a").hexdigest()),
    ("$hash('a', 'SHA-512')", hashlib.sha512(b"a").hexdigest()),
    ("$random(7) != $random(8)", True),
    ("$length($uuid())", 36),
    ("$parse('5')", 5),
    ("$hash('hello', 'SHA-256')", hashlib.sha256(b"hello").hexdigest()),
    ("$hash('ü', 'MD5')", hashlib.md5("ü".encode()).hexdigest()),
    ("$random(7) = $random(7)", True),
    ("$random() >= 0 and $random() < 1", True),
    ("$parse('{\"a\":[1,null]}')", {"a": [1, None]}),
    ("$map([1,2], function($v) { $parse('' & $v) + 1 })", [2, 3]),
    ("($hash := {'x': 4}; $hash.x)", 4),
]
MISTAKES = [
    "$partition([1], 0)",
    "$range(1, 5, 0)",
    "$range(1, 5, -1)",
    "$hash('a', 'sha256')",
    "$hash('a')",
    "$parse('{')",
    "$range(1, 400000, 1)",
    "$nosuch(1)",
    "$hash(1, 'MD5')",
    "$hash('a', 'SHA-3')",
    "$parse(5)",
    "$parse('[1,')",
    "$random('x')",
    "$partition(1, 2)",
    "$partition([1])",
    "$partition([1], -1)",
    "$range('a', 2, 1)",
    "$range(1, 2)",
    "$error('mine')",
]


@pytest.mark.parametrize(("source", "value"), VALUES)
def test_values(source: str, value):
    check(Case(source, {"p": pass_(Output=f"{{% {source} %}}")}, output=value))


@pytest.mark.parametrize("source", MISTAKES)
def test_mistakes_fail_the_state(source: str):
    check(Case(source, {"p": pass_(Output=f"{{% {source} %}}")}, status=FAILED, error="States.QueryEvaluationError"))


def test_uuid_is_random():
    case = Case("uuid", {"p": pass_(Output="{% [$uuid(), $uuid()] %}")})
    first, second = play(case).change.result

    assert uuid.UUID(first).version == 4
    assert first != second
