"""The import contracts hold, and the checks that hold them fail when something breaks them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("functions", "infra", "local", "shared", "statemachines")
BIN = Path(sys.executable).parent


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the packages and their configuration, to break things in."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def check(house: Path, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / tool, *arguments],
        cwd=house,
        # The copy, not the installed packages, is what is checked.
        env={"PYTHONPATH": str(house), "PATH": str(BIN), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "250"},
        capture_output=True,
        text=True,
        check=False,
    )


def lint_imports(house: Path) -> subprocess.CompletedProcess[str]:
    return check(house, "lint-imports", "--no-cache")


def append(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as stream:
        stream.write(f"\n{line}\n")


def test_the_contracts_hold():
    result = lint_imports(ROOT)

    assert result.returncode == 0, result.stdout


def test_an_untouched_copy_passes(house: Path):
    result = lint_imports(house)

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("shared/workflow/records.py", "import sqlalchemy", "shared core knows no vendor SDK"),
        ("shared/ports.py", "from shared.adapters import postgres", "shared core knows no vendor SDK"),
        ("shared/triggers/added.py", "import local.cli", "shared core knows no vendor SDK"),
        (
            "shared/adapters/postgres/added.py",
            "from shared.adapters import local",
            "an adapter imports its own vendor only",
        ),
        ("statemachines/compiler/added.py", "import shared.settings", "state machines import errors"),
        ("statemachines/interpreter/added.py", "import boto3", "state machines import errors"),
        ("functions/api/added.py", "import functions.webhook", "functions never import one another"),
        ("functions/nodes/http/added.py", "import functions.nodes.agent", "functions never import one another"),
        ("functions/api/added.py", "import statemachines.interpreter", "functions do not import the local stage"),
        ("functions/nodes/tool/added.py", "import statemachines.compiler", "only the api function publishes"),
        ("infra/added.py", "import shared.settings", "infrastructure knows other code by its paths only"),
        ("local/added.py", "import infra.config", "nobody knows infrastructure"),
    ],
)
def test_a_broken_contract_fails_the_check(house: Path, file: str, line: str, contract: str):
    append(house / file, line)

    result = lint_imports(house)

    assert result.returncode != 0
    broken = [row for row in result.stdout.splitlines() if row.endswith("BROKEN")]
    assert any(row.startswith(contract) for row in broken), result.stdout


def test_a_type_error_fails_the_check(house: Path):
    append(house / "shared/ids.py", "broken: int = new_id()")

    result = check(house, "mypy", "--follow-imports=silent", "shared/ids.py")

    assert result.returncode == 1
    assert "shared/ids.py" in result.stdout
    assert 'variable has type "int"' in result.stdout


def test_without_the_error_the_types_pass(house: Path):
    result = check(house, "mypy", "--follow-imports=silent", "shared/ids.py")

    assert result.returncode == 0, result.stdout
