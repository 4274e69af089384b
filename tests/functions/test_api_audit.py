"""What the audit log says of requests, and how it is read."""

import orjson

from functions.api.access import AuditedRequirement, Public, SignedIn, declared
from shared.audit.chain import verify
from shared.audit.records import Entry, Head
from shared.clock import iso
from shared.ids import new_id
from tests.functions.conftest import Doors, assert_problem, definition
from tests.functions.test_doors import app_over

BY_TABLE = {
    "POST /api/approvals/{approval_id}/decide",
    "POST /api/connections",
    "PUT /api/connections/{connection_id}",
    "DELETE /api/connections/{connection_id}",
    "POST /api/keys",
    "DELETE /api/keys/{key_id}",
    "POST /api/members",
    "PUT /api/members/{user_id}",
    "DELETE /api/members/{user_id}",
    "POST /api/projects",
    "PUT /api/projects/{project_id}",
    "POST /api/roles",
    "DELETE /api/roles/{role_id}",
    "POST /api/workflows",
    "PUT /api/workflows/{workflow_id}",
    "DELETE /api/workflows/{workflow_id}",
    "POST /api/workflows/{workflow_id}/activate",
    "POST /api/workflows/{workflow_id}/pause",
    "POST /api/workflows/{workflow_id}/triggers",
    "PUT /api/triggers/{trigger_id}",
    "DELETE /api/triggers/{trigger_id}",
}
"""The database writes these down."""

CHANGE_NOTHING = {
    "POST /api/workflows/validate",
    "POST /api/workflows/import/n8n",
    "POST /api/workflows/{workflow_id}/bulk/check",
    "POST /api/triggers/preview",
    "POST /api/tasks/heartbeat",
    "POST /api/events/test-pattern",
    "POST /api/workflows/{workflow_id}/flow-control/simulate",
}
THEIR_OWN_RECORD = {"POST /api/workflows/{workflow_id}/execute", "POST /api/events"}
"""Executions and events are records of their own, and the hottest of all changes."""


async def log(doors: Doors, **wanted: str) -> list[dict]:
    return (await doors.api.get("/api/audit", params=wanted)).raise_for_status().json()["items"]


def test_every_change_is_written_down_or_said_why_not():
    asked = declared(app_over().routes)
    changing = {
        name
        for name, asks in asked.items()
        if not name.startswith("GET ") and not isinstance(asks, AuditedRequirement | Public | SignedIn)
    }

    assert changing == BY_TABLE | CHANGE_NOTHING | THEIR_OWN_RECORD


async def test_a_request_is_written_with_its_caller(doors: Doors):
    workflow = (await doors.api.post("/api/workflows", json=definition(), headers={"X-Correlation-Id": "c-7"})).json()

    (made,) = await log(doors, target_id=workflow["id"])

    me = (await doors.api.get("/api/me")).json()
    assert (made["action"], made["target_name"], made["correlation_id"]) == ("workflow.created", "greet", "c-7")
    assert (made["actor_kind"], made["actor_id"], made["address"]) == ("api_key", me["id"], "127.0.0.1")


async def test_a_deed_without_a_table_is_written_once_it_is_done(doors: Doors):
    workflow = await doors.workflow()
    execution = (await doors.api.post(f"/api/workflows/{workflow['id']}/execute", json={"input": {}})).json()
    execution_id = execution["execution_id"]

    assert (await doors.api.post(f"/api/executions/{execution_id}/cancel")).status_code == 202
    assert (await doors.api.post(f"/api/executions/{execution_id}/cancel")).status_code == 409
    assert_problem(await doors.api.post(f"/api/executions/{new_id()}/cancel"), 404, "resource.not_found")

    (cancelled,) = await log(doors, target_id=execution_id)
    assert (cancelled["action"], cancelled["target_kind"]) == ("execution.cancelled", "execution")


async def test_the_export_is_the_whole_chain(doors: Doors):
    await doors.workflow()
    head = Head(**(await doors.api.get("/api/audit/head")).json())

    answer = await doors.api.get("/api/audit/export")

    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [orjson.loads(line) for line in answer.text.splitlines()]
    assert len(lines) == head.seq

    async def entries():
        async for entry in doors.stores.audit.export(lines[0]["project_id"]):
            line = lines[entry.seq - 1]
            assert line["at"] == iso(entry.at)
            yield Entry(**{**line, "at": entry.at})

    assert await verify(entries(), head) is None


async def test_a_bad_cursor_is_said_so(doors: Doors):
    for cursor in ("x", "-1", "1" * 30, ""):
        assert_problem(await doors.api.get("/api/audit", params={"cursor": cursor}), 422, "request.parameter_invalid")
