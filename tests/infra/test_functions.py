"""In which order functions are made, and how many of each run at once, in every environment."""

import json
import re
from typing import Any

from tests.infra.conftest import Synthesised, as_list

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
