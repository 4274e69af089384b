"""What a Lambda or a command must not load before its first request, and how much it may load in all.

Modules are counted, not seconds: a count is the same on every machine. Standard library modules do not count, so that
the budget does not depend on Python's version.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

AS_IN_A_LAMBDA = """
import sys
for name in ("click", "pygments", "rich", "typer", "uvicorn"):
    sys.modules[name] = None  # the packages of the extra `local` are not installed there
"""
REPORT = """
import sys
loaded = (name for name, module in sys.modules.items() if module is not None)
sys.__stderr__.write("\\n".join(name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names))
"""

AGENTS = frozenset({"pydantic_ai", "openai", "anthropic"})
STORES = frozenset({"sqlalchemy", "psycopg", "redis", "alembic"})
NODE = AGENTS | STORES | {"boto3", "botocore", "fastapi", "statemachines", "jlens"}


@dataclass(frozen=True)
class Budget:
    """`code` may load at most `modules` modules outside the standard library, and none of `forbidden`."""

    code: str
    forbidden: frozenset[str]
    modules: int


def in_lambda(module: str, forbidden: frozenset[str], modules: int) -> Budget:
    return Budget(f"{AS_IN_A_LAMBDA}\nimport {module}", forbidden | {"local"}, modules)


BUDGETS = {
    "api": in_lambda("functions.api.handler", AGENTS | {"alembic", "boto3", "statemachines.interpreter"}, 600),
    "webhook": in_lambda("functions.webhook.handler", AGENTS | STORES | {"boto3", "fastapi", "statemachines"}, 201),
    "http node": in_lambda("functions.nodes.http.handler", NODE, 240),
    "tool node": in_lambda("functions.nodes.tool.handler", NODE, 240),
    "agent node": in_lambda("functions.nodes.agent.handler", NODE | AGENTS | {"httpx"}, 143),
    "schedule": in_lambda("functions.schedule.handler", AGENTS | STORES | {"boto3", "fastapi", "statemachines"}, 195),
    "poll": in_lambda("functions.poll.handler", AGENTS | STORES | {"boto3", "fastapi", "statemachines"}, 195),
    "bulk": in_lambda("functions.bulk.handler", AGENTS | STORES | {"boto3", "fastapi", "statemachines"}, 195),
    "admit": in_lambda("functions.admit.handler", AGENTS | STORES | {"boto3", "fastapi", "statemachines"}, 195),
    "housekeeping": in_lambda(
        "functions.housekeeping.handler", AGENTS | STORES | {"boto3", "fastapi", "statemachines"}, 195
    ),
    "dispatch": in_lambda("functions.dispatch.aws", AGENTS | STORES - {"psycopg"} | {"fastapi", "statemachines"}, 398),
    "complete": in_lambda("functions.complete.aws", AGENTS | STORES - {"psycopg"} | {"fastapi", "statemachines"}, 398),
    "interpreter": Budget(
        "import statemachines.interpreter", NODE - {"statemachines", "jlens"} | {"httpx", "pydantic_settings"}, 80
    ),
    "millrace --help": Budget(
        "from local.cli.app import run; run(['--help'])",
        AGENTS | STORES | {"fastapi", "pydantic", "httpx", "uvicorn", "boto3", "statemachines", "jlens"},
        200,
    ),
    "millrace validate": Budget(
        "from local.cli.app import run; run(['validate', 'no-such-file.yaml'])",
        AGENTS | STORES | {"fastapi", "uvicorn", "boto3"},
        400,
    ),
}


def loaded_by(code: str, cwd: Path = ROOT) -> set[str]:
    """The modules outside the standard library that a fresh interpreter has loaded after `code`."""
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\n{REPORT}"],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(result.stderr.split())


def violations(budget: Budget, cwd: Path = ROOT) -> list[str]:
    """What breaks the budget, in words."""
    loaded = loaded_by(budget.code, cwd)
    found = [f"loads {name}" for name in sorted(budget.forbidden & loaded)]
    if len(loaded) > budget.modules:
        found.append(f"loads {len(loaded)} modules, more than {budget.modules}")
    return found


@pytest.mark.parametrize("name", BUDGETS)
def test_entry_stays_within_its_budget(name: str):
    assert violations(BUDGETS[name]) == []


def test_a_forbidden_module_breaks_a_budget(tmp_path: Path):
    (tmp_path / "offender.py").write_text("import typer\n")

    found = violations(Budget("import offender", frozenset({"typer", "boto3"}), 10_000), tmp_path)

    assert found == ["loads typer"]


def test_too_many_modules_break_a_budget(tmp_path: Path):
    package = tmp_path / "offender"
    package.mkdir()
    (package / "__init__.py").write_text("from . import one, two, three\n")
    for name in ("one", "two", "three"):
        (package / f"{name}.py").touch()
    base = len(loaded_by("pass", tmp_path))

    assert violations(Budget("import offender", frozenset(), base + 4), tmp_path) == []
    found = violations(Budget("import offender", frozenset(), base + 3), tmp_path)
    assert found == [f"loads {base + 4} modules, more than {base + 3}"]
