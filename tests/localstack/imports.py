"""What a function's code asks for: every package that an import of it names, also one that runs late."""

import ast
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

OURS = ("functions", "shared", "statemachines")
IN_LAMBDAS_IMAGE = {"boto3", "botocore"}
NOT_RUN = {
    ("shared/workflow/flow_control.py", "shared.workflow.expressions"): {"agent", "approval", "http"},
    ("functions/nodes/services.py", "shared.adapters.langfuse"): {"approval", "http"},
    **{
        ("functions/nodes/services.py", name): {"approval"}
        for name in ("redis.asyncio", "shared.adapters.redis", "shared.adapters.http")
    },
}
"""Imports of functions that others call: a definition is checked when it is made, models are traced where they are
asked, and approvals are neither cached nor ask another service. By module and what it imports (or the package of that),
the functions that never come there."""


def missing(bundle: Path) -> dict[str, set[str]]:
    """Packages that the bundle lacks, by the module that imports them: its function's own, and what those import."""
    with zipfile.ZipFile(bundle) as archive:
        names = set(archive.namelist())
        held = {name.split("/")[0].split(".")[0] for name in names} | set(sys.stdlib_module_names) | IN_LAMBDAS_IMAGE
        found: dict[str, set[str]] = {}
        seen: set[str] = set()
        todo = [name for name in names if name.startswith("functions/") and name.endswith(".py")]
        while todo:
            file = todo.pop()
            if file in seen:
                continue
            seen.add(file)
            wanted = {name for name in _imports(ast.parse(archive.read(file))) if _is_run(bundle.stem, file, name)}
            ours = {name for name in wanted if name.split(".")[0] in OURS}
            todo += [each for name in ours for each in _files(name, names)]
            lacking = {name.split(".")[0] for name in wanted} - held - set(OURS)
            if lacking:
                found[file] = lacking
    return found


def _is_run(function: str, file: str, name: str) -> bool:
    parts = name.split(".")
    around = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return not any(function in NOT_RUN.get((file, each), ()) for each in around)


def _imports(tree: ast.AST) -> Iterator[str]:
    """Absolute names, with what is imported from them, which may be modules as well."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            if node.module.split(".")[0] in OURS:
                yield from (f"{node.module}.{each.name}" for each in node.names)
        else:
            yield from _imports(node)


def _files(name: str, names: set[str]) -> list[str]:
    """The module, where it is one, and the packages around it, which run first."""
    parts = name.split(".")
    around = ["/".join([*parts[:length], "__init__.py"]) for length in range(1, len(parts) + 1)]
    return [file for file in (*around, f"{'/'.join(parts)}.py") if file in names]
