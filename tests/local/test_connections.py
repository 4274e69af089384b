"""Connections from the command line, on a running stage."""

import asyncio
import io
import json
from typing import Any

import pytest

from local.cli.app import run
from tests.support import stage as stages
from tests.support.oauth import CLIENT_ID, CLIENT_SECRET, provider


@pytest.fixture
def cli(stage: stages.Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command off the loop that the stage is on; (exit code, standard output)."""

    async def called(*arguments: str, given: Any = None) -> tuple[int, str]:
        capsys.readouterr()
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(given)))
        code = await asyncio.to_thread(run, ["connections", *arguments, "--url", stage.url])
        return code, capsys.readouterr().out

    return called


async def test_a_connection_is_made_changed_tried_and_removed(cli: Any):
    assert await cli("set", "crm", given={"kind": "bearer", "token": "s3cret-one"}) == (0, "crm: bearer\n")
    assert await cli("set", "crm", given={"kind": "api_key", "value": "s3cret-two"}) == (0, "crm: api_key\n")
    code, listed = await cli("list")
    assert (code, "crm\tapi_key" in listed, "s3cret" in listed) == (0, True, False)
    code, told = await cli("test", "crm")
    assert (code, "give the `url`" in told) == (4, True)
    assert (await cli("delete", "crm"))[0] == 0
    assert (await cli("test", "crm"))[0] == 2
    assert (await cli("set", "crm", given={"kind": "pigeon"}))[0] == 2


async def test_the_link_for_the_one_who_gives_access(cli: Any):
    async with provider() as service:
        urls = {"authorize_url": f"{service.url}/authorize", "token_url": f"{service.url}/token"}
        client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        await cli("set", "crm", given={"kind": "oauth2_authorization_code", **urls, **client})
        code, link = await cli("authorize", "crm")
    assert code == 0
    assert "/oauth/start?state=" in link
    assert CLIENT_SECRET not in link
