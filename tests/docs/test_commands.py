"""Every command that the documentation shows runs, in the order of its page, or says why it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.extract import Block, all_blocks, blocks
from tests.support.stage import Stage, environment

SHELLS = ("sh", "bash", "shell", "console")
DOCUMENTED_URL = "http://127.0.0.1:8000"

COMMANDS = [block for block in all_blocks() if block.language in SHELLS]
RUNNABLE = [block for block in COMMANDS if "notest" not in block.marks]


def run(block: Block, folder: Path, url: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs the block as a shell of a reader would, with `millrace` on the path and the stage where pages say it is."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text.replace(DOCUMENTED_URL, url)],
        cwd=folder,
        env=environment(MILLRACE_URL=url, PATH=path, COLUMNS="120", NO_COLOR="1", **settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_there_are_commands_to_run():
    assert {block.file for block in RUNNABLE} >= {"README.md", "docs/authoring.md", "docs/operate.md"}


@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: block.where)
def test_a_command_that_is_not_run_says_why(block: Block):
    assert block.language == "sh", "mark shell commands as `sh`"
    assert len(block.marks.get("notest", "a reason of some length")) > 10


@pytest.mark.parametrize("block", RUNNABLE, ids=lambda block: block.where)
def test_the_command_runs(block: Block, folder: Path, stage: Stage):
    result = run(block, folder, stage.url, MILLRACE_API_KEY=stage.key)

    assert result.returncode == 0, f"{block.text}\n{result.stdout}\n{result.stderr}"


def test_a_command_that_fails_is_noticed(tmp_path: Path):
    (block,) = blocks("text\n\n```sh\nmillrace validate none.yaml | cat\necho done\n```\n", "page.md")

    assert run(block, tmp_path, "http://127.0.0.1:1").returncode == 2
