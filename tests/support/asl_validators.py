"""Validators of Amazon States Language that others wrote, in one Node process for all that a session asks.

They are npm packages (tests/asl/package.json). `make test` installs what the lock file says.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "asl"


class ValidatorsMissing(Exception):
    """Node or the packages are not there: nothing can be said, and so nothing is passed over."""


class AslValidators:
    """`errors` asks both validators about one definition."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def errors(self, asl: dict[str, Any]) -> list[str]:
        """What they object to; empty where both find it valid."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asl) + "\n")  # ASCII, so that no character in it ends the line
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the validators have ended with {self._process.wait()}; their words are on standard error"
        found: list[str] = json.loads(answer)
        return found


@contextmanager
def asl_validators() -> Iterator[AslValidators]:
    """Both validators, ready to be asked.

    Raises:
        ValidatorsMissing: Node is not installed, or its packages are not.
    """
    node = shutil.which("node")
    if node is None:
        raise ValidatorsMissing("These tests need Node.js 20 or newer on PATH; install it: https://nodejs.org.")
    if not (FOLDER / "node_modules" / ".ready").exists():
        raise ValidatorsMissing("The ASL validators are not installed; run `make asl-validators` once.")
    with subprocess.Popen(
        [node, str(FOLDER / "validate.cjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield AslValidators(process)
