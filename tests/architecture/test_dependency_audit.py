"""`make check` fails for a dependency with a known hole, and not for want of a network."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "audit-dependencies"


def run(audit: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(SCRIPT), str(audit)]
    env = {**os.environ, **environment}
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)


@pytest.mark.parametrize(
    ("says", "code", "expected"),
    [
        ("No known vulnerabilities found", 0, 0),
        ("Found 2 known vulnerabilities in 1 package\nName Version ID", 1, 1),
        ("Found 1 known vulnerability in 1 package", 1, 1),
        ("ConnectionError: no route to host", 1, 0),
    ],
)
def test_what_it_makes_of_the_answer(tmp_path: Path, says: str, code: int, expected: int):
    audit = tmp_path / "pip-audit"
    audit.write_text(f"#!/bin/sh\nprintf '%s\\n' \"{says}\"\nexit {code}\n")
    audit.chmod(0o755)

    result = run(audit)

    assert result.returncode == expected, result.stderr
    assert ("not audited" in result.stderr) == ("ConnectionError" in says)


def test_without_a_network_it_says_so_and_passes():
    nowhere = "http://127.0.0.1:1"

    result = run(Path(sys.executable).parent / "pip-audit", HTTPS_PROXY=nowhere, https_proxy=nowhere)

    assert (result.returncode, "not audited" in result.stderr) == (0, True), result.stderr


def test_make_check_runs_it():
    assert ".ci/audit-dependencies" in (ROOT / "Makefile").read_text().split("\ncheck: ")[1].split("\n\n")[0]
