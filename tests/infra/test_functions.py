"""In which order functions are made, and how many of each run at once, in every environment."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.infra.conftest import Synthesised, as_list, statements

Resources = dict[str, Any]


def functions(made: Synthesised) -> tuple[Resources, dict[str, str]]:
    """The resources of the stack, and by function the name of its own."""
    resources: Resources = made.templates["functions"]["Resources"]
    prefix = f"millrace-{made.name}-"
    named = {
        each["Properties"]["FunctionName"].removeprefix(prefix): key
        for key, each in resources.items()
        if each["Type"] == "AWS::Lambda::Function"
    }
    return resources, named


def needed(resources: Resources, name: str, found: set[str]) -> set[str]:
    """What CloudFormation makes before a resource."""
    told = re.findall(r'"(?:Ref|Fn::GetAtt)": \[?"(\w+)"', json.dumps(resources[name]))
    for each in {*told, *as_list(resources[name].get("DependsOn", []))} & resources.keys() - found:
        found.add(each)
        needed(resources, each, found)
    return found


def test_no_function_has_new_code_before_the_schema_is_migrated(synthesised: Synthesised):
    resources, named = functions(synthesised)
    (schema,) = [key for key, each in resources.items() if each["Type"] == "Custom::Schema"]

    waiting = {name for name, key in named.items() if schema in needed(resources, key, set())}
    assert waiting == named.keys() - {"migrate"}
    before = needed(resources, schema, set())
    assert named["migrate"] in before
    assert {*named.values()} & before == {named["migrate"]}  # else CloudFormation finds a circle
    assert schema not in before


def test_lambda_stops_no_function_that_sends_to_its_own_queue(synthesised: Synthesised):
    """It does after about 16 calls of one function in a chain: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html."""
    resources, named = functions(synthesised)
    fed = {name: {queue for queue, function in sources(resources) if function == key} for name, key in named.items()}

    allowed = {name for name, key in named.items() if resources[key]["Properties"].get("RecursiveLoop") == "Allow"}
    assert allowed == {name for name, key in named.items() if fed[name] & sent_by(resources, key)}
    assert allowed == {"admit", "schedule", "complete", "housekeeping"}


def test_no_queue_takes_the_concurrency_that_those_who_ask_the_api_need(synthesised: Synthesised):
    resources, _ = functions(synthesised)
    mappings = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Lambda::EventSourceMapping"]
    limits = [each["ScalingConfig"]["MaximumConcurrency"] for each in mappings]

    assert len(limits) == 10
    assert min(limits) >= 2  # what Lambda takes
    assert sum(limits) <= (200 if synthesised.name == "prod" else 50)  # of 1,000


def test_nothing_is_reserved_unless_asked_for_since_a_new_account_has_nothing_to_spare(
    synthesised: Synthesised, tmp_path: Path
):
    asked = {"api_concurrency": "20", "webhook_concurrency": "30", "node_concurrency": "40"}

    assert reserved(synthesised) == {}
    if synthesised.name == "prod":
        nodes = dict.fromkeys(("agent", "approval", "http", "tool"), 40)
        assert reserved(Synthesised("prod", tmp_path, asked)) == {"api": 20, "webhook": 30, **nodes}


def reserved(made: Synthesised) -> dict[str, int]:
    """By function, how many of it run at once, and of no other in their place."""
    resources, named = functions(made)
    given = {name: resources[key]["Properties"].get("ReservedConcurrentExecutions") for name, key in named.items()}
    return {name: number for name, number in given.items() if number is not None}


def sources(resources: Resources) -> Iterator[tuple[str, str]]:
    """The queues that are event sources, each with the function."""
    for each in resources.values():
        if each["Type"] == "AWS::Lambda::EventSourceMapping":
            yield json.dumps(each["Properties"]["EventSourceArn"]), each["Properties"]["FunctionName"]["Ref"]


def sent_by(resources: Resources, function: str) -> set[str]:
    """The queues that a function may send to."""
    role = resources[function]["Properties"]["Role"]["Fn::GetAtt"][0]
    return {
        json.dumps(queue)
        for each in resources.values()
        if each["Type"] == "AWS::IAM::Policy" and each["Properties"]["Roles"] == [{"Ref": role}]
        for statement in statements(each["Properties"])
        if "sqs:SendMessage" in as_list(statement["Action"])
        for queue in as_list(statement["Resource"])
    }
