"""Approvals on the local stage, end to end: asked, decided through API, link and command line, escalated, given up."""

import asyncio
import os
import subprocess
import sys
from typing import Any

import httpx
import pytest

from tests.support import stage as stages
from tests.support.calls import Api

FORM = {
    "type": "object",
    "required": ["amount"],
    "properties": {"amount": {"type": "number", "maximum": 500}, "urgent": {"type": "boolean"}},
}
OUTPUT = "{% $ask %}"


@pytest.fixture
async def api(stage: stages.Stage) -> Any:
    client = Api(stage.url)
    yield client
    await client.http.aclose()


def node(**fields: Any) -> dict[str, Any]:
    config = {"title": "{% 'Refund ' & $input.order & '?' %}", "approvers": ["ada", "bob"]}
    return {"id": "ask", "type": "approval", "config": {**config, **fields.pop("config", {})}, **fields}


async def asked(api: Api, name: str, ask: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """An execution that waits for its approval, and the approval."""
    workflow = await api.publish(name, [ask], output=OUTPUT)
    execution_id = await api.run(workflow, {"order": 7})
    return execution_id, await approval_of(api, execution_id)


async def approval_of(api: Api, execution_id: str, *, status: str = "pending") -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            found = (await api.http.get("/api/approvals", params={"execution_id": execution_id})).json()["items"]
            if found and found[0]["status"] == status:
                return found[0]
            await asyncio.sleep(0.05)


async def decide(api: Api, approval: dict[str, Any], **body: Any) -> httpx.Response:
    return await api.http.post(f"/api/approvals/{approval['id']}/decide", json={"by": "ada", **body})


async def test_an_approval_gives_its_decision_to_the_execution(api: Api):
    execution_id, approval = await asked(api, "plain", node())

    answer = await decide(api, approval, approved=True, comment="Fine.")

    assert (approval["title"], approval["approvers"]) == ("Refund 7?", ["ada", "bob"])
    assert "token" not in str(approval)
    assert (answer.status_code, answer.json()["status"]) == (200, "approved"), answer.text
    execution = await api.until(execution_id)
    output = execution["output"]
    assert (output["approved"], output["by"], output["comment"], output["form"]) == (True, "ada", "Fine.", None)
    assert execution["nodes"][0]["status"] == "succeeded"


async def test_the_same_decision_may_be_sent_again_and_no_other(api: Api):
    execution_id, approval = await asked(api, "twice", node())
    first = await decide(api, approval, approved=False)

    again, other = await decide(api, approval, approved=False), await decide(api, approval, approved=True)

    assert (first.status_code, again.status_code) == (200, 200)
    assert (other.status_code, other.json()["code"]) == (409, "approval.closed")
    assert other.json()["details"]["by"] == "ada"
    assert (await api.until(execution_id))["output"]["approved"] is False


async def test_a_form_that_breaks_its_schema_is_refused_by_field(api: Api):
    execution_id, approval = await asked(api, "form", node(config={"form_schema": FORM}))

    wrong = await decide(api, approval, approved=True, form={"amount": 900})
    right = await decide(api, approval, approved=True, form={"amount": 90})

    assert (wrong.status_code, wrong.json()["diagnostics"][0]["path"]) == (422, "form.amount")
    assert right.status_code == 200
    assert (await api.until(execution_id))["output"]["form"] == {"amount": 90}


async def test_who_rejects_need_not_fill_in_the_form(api: Api):
    execution_id, approval = await asked(api, "no-form", node(config={"form_schema": FORM}))

    assert (await decide(api, approval, approved=False)).status_code == 200
    assert (await api.until(execution_id))["output"]["approved"] is False


async def test_a_link_asks_and_only_its_buttons_decide(api: Api):
    execution_id, approval = await asked(api, "link", node(config={"form_schema": FORM}))
    links = (await api.http.get(f"/api/approvals/{approval['id']}/links")).json()
    assert [link["approver"] for link in links] == ["ada", "bob"]
    async with httpx.AsyncClient() as browser:
        page = await browser.get(links[1]["url"])
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "Refund 7?" in page.text
        assert 'name="form.amount"' in page.text
        assert (await approval_of(api, execution_id))["status"] == "pending"
        for broken in (
            links[1]["url"].replace("bob", "eve"),
            links[1]["url"][:-1],
            links[1]["url"].replace("until=1", "until=2"),
        ):
            assert (await browser.get(broken)).status_code == 401
        wrong = await browser.post(links[1]["url"], data={"decision": "approve", "form.amount": "9000"})
        right = await browser.post(
            links[1]["url"], data={"decision": "approve", "form.amount": "12.5", "form.urgent": "true"}
        )
    assert (wrong.status_code, right.status_code) == (422, 200)
    output = (await api.until(execution_id))["output"]
    assert (output["by"], output["form"]) == ("bob", {"amount": 12.5, "urgent": True})


async def test_an_approval_that_nobody_waits_for_is_expired(api: Api):
    execution_id, approval = await asked(api, "late", node(timeout_seconds=1))
    execution = await api.until(execution_id)

    await approval_of(api, execution_id, status="expired")
    late = await decide(api, approval, approved=True)

    assert (execution["status"], execution["error"]["name"]) == ("failed", "States.Timeout")
    assert (late.status_code, late.json()["code"]) == (409, "approval.closed")


async def test_cancelling_the_execution_expires_its_approval(api: Api):
    execution_id, _ = await asked(api, "cancelled", node())

    await api.http.post(f"/api/executions/{execution_id}/cancel")

    await approval_of(api, execution_id, status="expired")


async def test_an_approval_waits_on_disk_and_the_decision_wakes_its_execution(api: Api):
    """Longer than an execution that only waits is held in memory."""
    execution_id, approval = await asked(api, "patient", node())
    await asyncio.sleep(1.2)

    assert (await decide(api, approval, approved=True)).status_code == 200
    assert (await api.until(execution_id))["status"] == "succeeded"


async def test_the_command_line_lists_and_decides(api: Api, stage: stages.Stage):
    execution_id, approval = await asked(api, "by-hand", node(config={"form_schema": FORM}))

    def millrace(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "local.cli", *arguments, "--url", stage.url],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LOGNAME": "grace"},
        )

    listed = await asyncio.to_thread(millrace, "approvals", "list")
    refused = await asyncio.to_thread(millrace, "approvals", "approve", approval["id"])
    decided = await asyncio.to_thread(millrace, "approvals", "approve", approval["id"], "--form", '{"amount": 1}')

    assert approval["id"] in listed.stdout
    assert (refused.returncode, "form" in refused.stderr) == (2, True), refused.stderr
    assert (decided.returncode, decided.stdout.strip()) == (0, f"{approval['id']}: approved"), decided.stderr
    assert (await api.until(execution_id))["output"]["by"] == "grace"
