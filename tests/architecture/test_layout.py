"""The tree is the one of the design: known folders, files of a readable size, no room left out of a contract."""

import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]

FOLDERS = {
    ".ci",
    "functions",
    "shared",
    "statemachines",
    "local",
    "infra",
    "console",
    "events",
    "tests",
    "bench",
    "examples",
    "docs",
}
"""The map of README.md, section "Where things are"."""

MAX_LINES = 400


def tracked() -> list[Path]:
    """Every file of the project, tracked or new, without what .gitignore names."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in listed.stdout.splitlines() if (path := Path(name)) and (ROOT / path).is_file()]


def contracts() -> dict[str, dict[str, list[str]]]:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {contract["name"]: contract for contract in configuration["tool"]["importlinter"]["contracts"]}


def modules(folder: str, pattern: str) -> set[str]:
    found = (path.relative_to(ROOT) for path in (ROOT / folder).glob(pattern))
    return {".".join(path.with_suffix("").parts) for path in found}


def test_every_top_level_folder_is_on_the_map():
    folders = {path.parts[0] for path in tracked() if len(path.parts) > 1}

    assert folders <= FOLDERS


def test_no_python_file_is_too_long_to_read():
    long = {
        str(path): lines
        for path in tracked()
        if path.suffix == ".py" and (lines := len((ROOT / path).read_text().splitlines())) > MAX_LINES
    }

    assert long == {}


def test_functions_have_a_handler_and_few_siblings():
    for handler in (ROOT / "functions").rglob("handler.py"):
        siblings = [path for path in handler.parent.glob("*.py") if path.name != "__init__.py"]

        assert len(siblings) <= 14, handler.parent


def test_every_function_is_in_the_independence_contract():
    listed = set(contracts()["functions never import one another"]["modules"])
    functions = {module.removesuffix(".handler") for module in modules("functions", "**/handler.py")}

    assert functions == listed


def test_every_core_module_is_in_the_core_contract():
    listed = set(contracts()["shared core knows no vendor SDK, no adapter, no other room"]["source_modules"])
    core = modules("shared", "*.py") | {m.removesuffix(".__init__") for m in modules("shared", "*/__init__.py")}

    assert core - {"shared.__init__", "shared.adapters"} == listed


def test_every_adapter_is_in_the_adapter_contract():
    listed = set(contracts()["an adapter imports its own vendor only"]["modules"])
    adapters = modules("shared/adapters", "*.py") | {
        module.removesuffix(".__init__") for module in modules("shared/adapters", "*/__init__.py")
    }

    assert adapters - {"shared.adapters.__init__"} == listed
