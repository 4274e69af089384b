"""`millrace audit verify` against a served API whose database somebody tampers with."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import orjson
import pytest
from sqlalchemy import text

from local.web import bind, serving
from shared.settings import DEFAULT_PROJECT_ID
from tests.functions.conftest import Doors
from tests.support.stage import environment

Millrace = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
async def millrace(doors: Doors) -> AsyncIterator[Millrace]:
    """The command in a process of its own; gives exit code, standard output and standard error."""
    key = doors.api.headers["Authorization"].removeprefix("Bearer ")
    async with serving(doors.api_app, bind("127.0.0.1", 0)) as url:

        async def run(*arguments: str) -> tuple[int, str, str]:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "local.cli", "audit", *arguments),
                env=environment(MILLRACE_URL=url, MILLRACE_API_KEY=key),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await process.communicate()
            return process.returncode or 0, out.decode(), err.decode()

        yield run


async def tamper(doors: Doors, statement: str) -> None:
    async with doors.stores.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE audit_log DISABLE TRIGGER append_only"))
        await connection.execute(text(statement))
        await connection.execute(text("ALTER TABLE audit_log ENABLE TRIGGER append_only"))


async def test_one_changed_row_is_found(doors: Doors, millrace: Millrace, tmp_path: Path):
    await doors.workflow()
    code, out, _ = await millrace("verify")
    assert (code, out.split(":")[0]) == (0, "whole")
    noted = out.split("elsewhere: ")[1].strip()
    _, lines, _ = await millrace("export")
    export = tmp_path / "audit.jsonl"
    export.write_text(lines)
    assert (await millrace("verify", "--file", str(export), "--noted", noted))[0] == 0
    number = orjson.loads(lines.splitlines()[-1])["seq"]
    where = f"WHERE project_id = '{DEFAULT_PROJECT_ID}' AND seq = {number}"

    await tamper(doors, f"UPDATE audit_log SET actor_id = 'somebody else' {where}")

    code, out, _ = await millrace("verify")
    assert (code, out) == (1, f"BROKEN at entry {number}: its content was changed.\n")
    code, out, _ = await millrace("verify", "--json")
    assert (code, orjson.loads(out)["broken_at"]) == (1, number)
    export.write_text(lines.replace("workflow.created", "workflow.deleted"))
    assert (await millrace("verify", "--file", str(export)))[0] == 1


async def test_the_list_reads_well(doors: Doors, millrace: Millrace):
    await doors.workflow(name="of-the-list")

    code, out, _ = await millrace("list", "--action", "workflow.*", "--limit", "2")

    rows = [line.split("\t") for line in out.splitlines()]
    assert (code, rows[0][1:3], rows[2][1:3]) == (0, ["ACTION", "TARGET"], ["workflow.created", "of-the-list"])


@pytest.mark.parametrize("noted", ["x", "7", ":abc", "7:"])
async def test_a_note_that_is_none_is_said_so(millrace: Millrace, noted: str):
    code, _, err = await millrace("verify", "--noted", noted)

    assert code == 2
    assert "NUMBER:HASH" in err
