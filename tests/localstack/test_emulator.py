"""The harness: what functions and JSONata do on the emulator is what AWS documents."""

import io
import json
import time
import zipfile
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/any"
HANDLER = """
import os, time

class TooBad(Exception):
    pass

def handler(event, context):
    match event["do"]:
        case "answer": return {"pid": os.getpid(), "left": context.get_remaining_time_in_millis()}
        case "fail": raise TooBad("because")
        case "hang": time.sleep(60)
        case "exit": os._exit(7)
"""
_numbers = count()
Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def function(aws: Client) -> str:
    """The ARN of a function that does what its event says."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("code.py", HANDLER)
    client = aws("lambda")
    created = client.create_function(
        FunctionName="harness",
        Runtime="python3.11",
        Role=ROLE,
        Handler="code.handler",
        Code={"ZipFile": archive.getvalue()},
        Timeout=2,
    )
    client.get_waiter("function_active_v2").wait(FunctionName="harness", WaiterConfig={"Delay": 1})
    return str(created["FunctionArn"])


def invoke(aws: Client, function: str, do: str) -> tuple[str | None, Any]:
    answer = aws("lambda").invoke(FunctionName=function, Payload=json.dumps({"do": do}))
    return answer.get("FunctionError"), json.load(answer["Payload"])


def run(aws: Client, definition: dict[str, Any], given: Any) -> dict[str, Any]:
    """Runs a state machine to its end."""
    client = aws("stepfunctions")
    machine = client.create_state_machine(
        name=f"harness-{next(_numbers)}", definition=json.dumps(definition), roleArn=ROLE
    )["stateMachineArn"]
    execution = client.start_execution(stateMachineArn=machine, input=json.dumps(given))["executionArn"]
    deadline = time.monotonic() + 30
    while (found := client.describe_execution(executionArn=execution))["status"] == "RUNNING":
        assert time.monotonic() < deadline, "the machine did not end"
        time.sleep(0.05)
    client.delete_state_machine(stateMachineArn=machine)
    return dict(found)


def evaluate(aws: Client, expression: str, given: Any = None) -> dict[str, Any]:
    states = {"it": {"Type": "Pass", "Output": f"{{% {expression} %}}", "End": True}}
    return run(aws, {"QueryLanguage": "JSONata", "StartAt": "it", "States": states}, given)


def test_a_function_runs_warm_and_knows_its_deadline(aws: Client, function: str):
    first, second = (invoke(aws, function, "answer")[1] for _ in range(2))

    assert first["pid"] == second["pid"]
    assert 1_000 < second["left"] <= 2_000


def test_an_error_carries_its_class(aws: Client, function: str):
    error, body = invoke(aws, function, "fail")

    assert error == "Unhandled"
    assert (body["errorType"], body["errorMessage"]) == ("TooBad", "because")


@pytest.mark.parametrize(("do", "kind"), [("hang", "Sandbox.Timedout"), ("exit", "Runtime.ExitError")])
def test_a_function_that_hangs_or_dies_is_replaced(aws: Client, function: str, do: str, kind: str):
    before = invoke(aws, function, "answer")[1]["pid"]

    error, body = invoke(aws, function, do)

    assert (error, body["errorType"]) == ("Unhandled", kind)
    assert invoke(aws, function, "answer")[1]["pid"] != before


def test_an_unknown_function_is_an_error_of_the_api(aws: Client):
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        invoke(aws, "no-such-function", "answer")


@pytest.mark.parametrize(
    ("expression", "given", "value"),
    [
        ("$hash($states.input, 'SHA-256')", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("$partition([1..5], 2)", None, [[1, 2], [3, 4], [5]]),
        ("$range(0, 10, 5)", None, [0, 5, 10]),
        ("$parse($states.input).a", '{"a": [1, null]}', [1, None]),
        ("$match($uuid(), /^[0-9a-f-]{36}$/).index", None, 0),
        ("$random(7) = $random(7)", None, True),
        ("$states.input", 'a "quoted" \\ text', 'a "quoted" \\ text'),
        ("$states.input.nothing", {"nothing": None}, None),
        ("{'items': $states.input.($ * 2)}", [1, 2], {"items": [2, 4]}),
    ],
)
def test_jsonata_gives_what_aws_documents(aws: Client, expression: str, given: Any, value: Any):
    found = evaluate(aws, expression, given)

    assert found["status"] == "SUCCEEDED", found
    assert json.loads(found["output"]) == value


@pytest.mark.parametrize("expression", ["$states.input.missing", "$number('x')", "$hash('x', 'CRC')"])
def test_an_expression_that_fails_is_an_error_of_the_query(aws: Client, expression: str):
    found = evaluate(aws, expression, {})

    assert (found["status"], found["error"]) == ("FAILED", "States.QueryEvaluationError")
    assert expression in found["cause"]


def test_variables_keep_their_quotes_in_the_state_and_in_the_history(aws: Client, function: str):
    text = 'say "it" \\ twice'
    states = {
        "keep": {"Type": "Pass", "Assign": {"said": "{% $states.input %}"}, "Next": "ask"},
        "ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": function, "Payload": {"do": "fail"}},
            "Catch": [{"ErrorEquals": ["TooBad"], "Output": "{% [$said, $states.errorOutput.Error] %}", "Next": "end"}],
            "End": True,
        },
        "end": {"Type": "Succeed"},
    }

    found = run(aws, {"QueryLanguage": "JSONata", "StartAt": "keep", "States": states}, text)

    assert json.loads(found["output"]) == [text, "TooBad"]
