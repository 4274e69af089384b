"""The templates of every environment, synthesised once without an account, without Docker and without the bundles."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

os.environ["JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION"] = "1"
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "1"

import aws_cdk as cdk

from infra.application import compose
from infra.config import environment

ROOT = Path(__file__).parents[2]
STORES = {"database_url": "postgresql://given", "redis_url": "redis://given"}


class Synthesised:
    """What an environment is made of."""

    def __init__(self, name: str, folder: Path, given: dict[str, str] | None = None) -> None:
        self.name = name
        context = json.loads((ROOT / "cdk.json").read_text())["context"]
        app = cdk.App(outdir=str(folder), context=context)
        needed = STORES if name == "localstack" else {}
        stacks = compose(app, environment(name, {"code": "none"} | needed | (given or {})))
        assembly = app.synth()
        self.templates: dict[str, dict[str, Any]] = {
            short: json.loads(Path(assembly.get_stack_by_name(stack.stack_name).template_full_path).read_text())
            for short, stack in stacks.items()
        }
        self.report: dict[str, Any] = json.loads((folder / "validation-report.json").read_text())

    def resources(self, kind: str, stack: str | None = None) -> list[dict[str, Any]]:
        """Properties of the resources of a type, in one stack or in all."""
        chosen = self.templates.values() if stack is None else [self.templates[stack]]
        return [
            resource.get("Properties", {})
            for template in chosen
            for resource in template["Resources"].values()
            if resource["Type"] == kind
        ]


@pytest.fixture(scope="session", params=["dev", "prod", "localstack"])
def synthesised(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    """Each environment in turn."""
    return Synthesised(request.param, tmp_path_factory.mktemp("cdk"))


def statements(policy: dict[str, Any]) -> list[dict[str, Any]]:
    return list(policy["PolicyDocument"]["Statement"])


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
