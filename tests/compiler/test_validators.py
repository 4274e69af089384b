"""Every golden case and every example is valid to the validators that others wrote, and broken machines are not.

What asl-validator 4.0.0 takes for a mistake although AWS documents it is amended in its schemas, in memory
(`amendSchemas` in tests/asl/validate.cjs), and nowhere filtered:
  - `Output` "accepts any JSON value (object, array, string, number, boolean, null)", and so do the members of arrays;
    it knows objects and expressions, and arrays of objects.
    https://docs.aws.amazon.com/cdk/api/v2/python/aws_cdk.aws_stepfunctions/JsonataStateOptions.html
  - Texts may be empty, and texts and expressions may have several lines; its patterns are made of `.+`.
amazon-states-language-service 1.16.1 needs no amendment.

Neither looks at variables: whether a name was assigned before it is read, and not both inside and outside of a branch,
is what tests/compiler/strict_machine.py checks.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.workflow.load import load_text
from statemachines.compiler import compile_workflow
from tests.compiler.golden import CASES
from tests.support import asl_validators
from tests.support.asl_validators import AslValidators, ValidatorsMissing

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("path", sorted(CASES.glob("*/asl.json")), ids=lambda path: path.parent.name)
def test_golden_machines_are_valid(path: Path, validators: AslValidators) -> None:
    assert validators.errors(json.loads(path.read_text())["asl"]) == []


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/*.yaml")), ids=lambda path: path.parent.name)
def test_examples_compile_to_valid_machines(path: Path, optimize: bool, validators: AslValidators) -> None:
    document = load_text(path.read_text())
    document["settings"] = {**document.get("settings", {}), "optimize": optimize}
    assert validators.errors(compile_workflow(document).asl) == []


def task(**more: Any) -> dict[str, Any]:
    arguments = {"FunctionName": "f", "Payload": {"text": "", "lines": "a\nb", "rows": [[1], "x", None]}}
    return {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": arguments, **more}


def machine(**states: Any) -> dict[str, Any]:
    return {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}


@pytest.mark.parametrize(
    "output", [1, 1.5, True, None, [], [1, [2, "x"]], "", "text", "a\nb", "{% 1\n+ 2 %}", {"a": ""}]
)
def test_what_was_amended_is_valid(output: Any, validators: AslValidators) -> None:
    assert (
        validators.errors(machine(a=task(Output=output, Next="b"), b={"Type": "Pass", "Output": output, "End": True}))
        == []
    )


PASS = {"Type": "Pass", "End": True}
BROKEN: dict[str, dict[str, Any]] = {
    "no such next state": machine(a={"Type": "Pass", "Next": "b"}),
    "no such start": {**machine(a=PASS), "StartAt": "b"},
    "no end": machine(a={"Type": "Pass"}),
    "next and end": machine(a={"Type": "Pass", "Next": "b", "End": True}, b=PASS),
    "a loop without an end": machine(a={"Type": "Pass", "Next": "b"}, b={"Type": "Pass", "Next": "a"}),
    "unreachable": machine(a=PASS, b=PASS),
    "unknown type": machine(a={"Type": "Pas", "End": True}),
    "unknown field": machine(a={**PASS, "Outputs": 1}),
    "a field of another query language": machine(a={**PASS, "ResultPath": "$.a"}),
    "expression in Output": machine(a={**PASS, "Output": "{% $states.input + %}"}),
    "expression deep in Output": machine(a={**PASS, "Output": {"a": [{"b": "{% ( %}"}]}}),
    "expression in Assign": machine(a={**PASS, "Assign": {"x": "{% [ %}"}}),
    "expression in Arguments": machine(a=task(Arguments={"a": "{% } %}"}, End=True)),
    "expression in a Choice": machine(
        a={"Type": "Choice", "Choices": [{"Condition": "{% $x = %}", "Next": "b"}], "Default": "b"}, b=PASS
    ),
    "half an expression": machine(a={**PASS, "Output": "{% $states.input"}),
    "a Choice to nowhere": machine(a={"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": "b"}]}, c=PASS),
    "no resource": machine(a={"Type": "Task", "End": True}),
    "Catch without Next": machine(a=task(Catch=[{"ErrorEquals": ["States.ALL"]}], End=True)),
    "Catch to nowhere": machine(a=task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "z"}], End=True)),
    "Retry without errors": machine(a=task(Retry=[{"MaxAttempts": 1}], End=True)),
    "negative timeout": machine(a=task(TimeoutSeconds=-1, End=True)),
    "a Wait for both": machine(a={"Type": "Wait", "Seconds": 1, "Timestamp": "2026-01-01T00:00:00Z", "End": True}),
    "a time that is none": machine(a={"Type": "Wait", "Timestamp": "tomorrow", "End": True}),
    "name twice": machine(a={"Type": "Parallel", "Branches": [machine(a=PASS)], "End": True}),
    "a branch that leaves": machine(
        a={
            "Type": "Parallel",
            "Branches": [{"StartAt": "c", "States": {"c": {"Type": "Pass", "Next": "b"}}}],
            "Next": "b",
        },
        b=PASS,
    ),
    "a Map without a processor": machine(a={"Type": "Map", "Items": [], "End": True}),
    "an Assign that is no object": machine(a={**PASS, "Assign": [1]}),
}
for _name in ("a branch that leaves", "name twice"):
    for _branch in BROKEN[_name]["States"]["a"]["Branches"]:
        _branch.pop("QueryLanguage", None)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_machines_are_refused(name: str, validators: AslValidators) -> None:
    assert validators.errors(BROKEN[name]) != []


def test_without_node_the_tests_say_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(asl_validators, "FOLDER", tmp_path)
    with pytest.raises(ValidatorsMissing, match="make asl-validators"), asl_validators.asl_validators():
        pass
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValidatorsMissing, match=r"Node\.js 20"), asl_validators.asl_validators():
        pass
