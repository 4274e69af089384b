"""n8n workflows through the REST API."""

from functions.api.models.imports import N8N_EXAMPLE
from tests.functions.conftest import assert_problem

PATH = "/api/workflows/import/n8n"


async def test_an_export_is_translated_and_not_stored(doors):
    answer = await doors.api.post(PATH, json=N8N_EXAMPLE)

    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [node["id"] for node in found["definition"]["nodes"]] == ["edit_fields"]
    assert found["triggers"] == [
        {
            "type": "webhook",
            "name": "Webhook",
            "config": {"method": "GET", "path": "greet", "verify": "none"},
            "sample": None,
        }
    ]
    assert {line["level"] for line in found["report"]} == {"note"}
    assert (found["translated"], found["placeholders"]) == (2, 0)
    assert (await doors.api.get("/api/workflows")).json()["items"] == []
    created = await doors.api.post("/api/workflows", json=found["definition"])
    assert created.status_code == 201, created.text


async def test_what_is_no_n8n_workflow_is_refused(doors):
    problem = assert_problem(await doors.api.post(PATH, json={"nodes": 1}), 422, "definition.invalid")

    assert [each["code"] for each in problem["diagnostics"]] == ["import.not_n8n"]
    headers = {"content-type": "application/json"}
    assert_problem(await doors.api.post(PATH, content=b"{", headers=headers), 400, "request.malformed")
