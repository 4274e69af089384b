"""Golden files: what the compiler gives for a case, kept as JSON that reads well in a diff."""

import difflib
import json
from pathlib import Path
from typing import Any

import pytest

CASES = Path(__file__).parent / "cases"
BROKEN = Path(__file__).parent / "broken"
PASSES = Path(__file__).parent / "passes"


def compare(file: Path, found: Any, *, update: bool) -> None:
    """Fails with a unified diff where the golden file says something else."""
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    if update:
        file.write_text(text)
        return
    expected = file.read_text() if file.exists() else ""
    diff = "\n".join(difflib.unified_diff(expected.splitlines(), text.splitlines(), "golden", "compiled", lineterm=""))
    if diff:
        about = f"{file.parent.name}/{file.name} changed; if that is right: pytest --update-goldens"
        pytest.fail(f"{about}\n{diff}", pytrace=False)
