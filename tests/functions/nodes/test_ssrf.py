"""Every way that ssrf_cases.json knows to get at what is not public, by every door that an author or a model steers.

A canary listens on loopback, on the port that the cases name: a request that came through would be seen there.
"""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from functions.nodes.http.core import HttpDeps
from functions.nodes.http.core import run as run_http
from functions.nodes.tool.core import ToolDeps
from functions.nodes.tool.core import run as run_tool
from shared.adapters.http.authorise import Requester
from shared.adapters.http.client import GuardedClient, resolve
from shared.egress import EgressPolicy
from shared.errors import AddressBlocked, DestinationUnreachable, NodeConfigInvalid
from tests.support.hostile import hostile_server

CASES = json.loads(Path(__file__).with_name("ssrf_cases.json").read_text())
NAMES = {
    "rebind.test": ["127.0.0.1"],
    "mixed.test": ["10.0.0.1", "192.168.0.1"],
    "metadata.test": ["169.254.169.254"],
    "v6.test": ["::1"],
    "localhost": ["127.0.0.1", "::1"],
}
REFUSED = (AddressBlocked, NodeConfigInvalid)


async def known(host, port):
    """The system's resolver reads numbers in every form; no name leaves this machine."""
    name = host.lower().rstrip(".")
    if name in NAMES:
        return NAMES[name]
    if not any(letter in "ghijklmnopqrstuvwyz" for letter in host.lower()):
        return await resolve(host, port)
    raise socket.gaierror(socket.EAI_NONAME, "no such name")


@pytest.fixture
async def canary():
    async with hostile_server() as server:
        yield server


@pytest.fixture
async def requester():
    async with GuardedClient(EgressPolicy(), known) as client:
        yield Requester(client)


def test_there_are_enough_of_them():
    assert len(CASES) >= 40
    assert len({url for url, _ in CASES}) == len(CASES)


@pytest.mark.parametrize(("url", "why"), CASES, ids=[why for _, why in CASES])
async def test_no_door_leads_there(node_call, canary, requester, url, why):
    url = url.replace("{port}", canary.url.rpartition(":")[2])
    with pytest.raises(REFUSED):
        await run_http(node_call("webhook", {"url": url}), HttpDeps(requester, 2.0))
    for tool, arguments in (("http.request", {"url": url}), ("mcp.call", {"url": url, "tool": "x"})):
        with pytest.raises(REFUSED):
            await run_tool(node_call("tool", {"tool": tool, "arguments": arguments}), ToolDeps(requester))
    assert canary.seen == []
    assert canary.connections == 0


@pytest.mark.parametrize(("url", "why"), CASES, ids=[why for _, why in CASES])
async def test_no_redirect_leads_there(node_call, canary, url, why):
    """From a host that may be called to one that may not."""
    url = url.replace("{port}", canary.url.rpartition(":")[2])
    async with (
        hostile_server() as front,
        GuardedClient(EgressPolicy.parse(front.url.removeprefix("http://")), known) as client,
    ):
        config = {"url": f"{front.url}/to?{url}", "follow_redirects": True}
        with pytest.raises((*REFUSED, DestinationUnreachable)):
            await run_http(node_call("webhook", config), HttpDeps(Requester(client), 2.0))
    assert canary.seen == []


async def test_a_name_that_changes_its_address_in_between_is_not_followed(node_call, canary):
    """Public when it is checked, loopback when it is asked for again: the connection goes to what was checked."""
    answers = [["93.184.215.14"], ["127.0.0.1"]]
    dialled = []

    async def rebinding(host, port):
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async with GuardedClient(EgressPolicy(), rebinding) as client:
        loop = asyncio.get_running_loop()
        connect = loop.sock_connect

        async def watched(sock, address):
            dialled.append(address[0])
            raise ConnectionRefusedError

        loop.sock_connect = watched
        try:
            url = f"http://rebinding.test:{canary.url.rpartition(':')[2]}/"
            with pytest.raises(DestinationUnreachable):
                await run_http(node_call("webhook", {"url": url}), HttpDeps(Requester(client), 2.0))
        finally:
            loop.sock_connect = connect
    assert dialled == ["93.184.215.14"]
    assert canary.connections == 0


async def test_the_allow_list_opens_what_it_names_and_nothing_beside_it(node_call, canary):
    port = canary.url.rpartition(":")[2]
    async with GuardedClient(EgressPolicy.parse(f"rebind.test:{port}"), known) as client:
        deps = HttpDeps(Requester(client), 2.0)
        answer = await run_http(node_call("webhook", {"url": f"http://rebind.test:{port}/echo"}), deps)
        assert answer.output["status"] == 200
        for url in (f"http://127.0.0.1:{port}/echo", f"http://localhost:{port}/echo", "http://rebind.test:1/"):
            with pytest.raises(AddressBlocked):
                await run_http(node_call("webhook", {"url": url}), deps)
    assert len(canary.seen) == 1
