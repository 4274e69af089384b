"""A webhook's own expressions: filter, transform, and the answer to a sender that waits."""

import pytest

from shared.executions.records import ExecutionStatus, StatusChange
from tests.functions.conftest import assert_problem
from tests.support.history import START

JSON = {"Content-Type": "application/json"}
OPENED = b'{"action": "opened", "issue": {"title": "It hangs"}}'


@pytest.fixture
async def workflow(doors):
    return await doors.workflow()


async def test_only_what_the_filter_lets_in_starts(doors, workflow):
    await doors.trigger(workflow["id"], config={"path": "x", "filter": '{% $input.body.action = "opened" %}'})

    taken = await doors.webhook.post("/webhooks/x", content=OPENED, headers=JSON)
    ignored = await doors.webhook.post("/webhooks/x", content=b'{"action": "closed"}', headers=JSON)

    assert taken.status_code == 202
    assert (ignored.status_code, ignored.json()) == (200, {"ignored": True})
    assert len(await doors.executions(workflow["id"])) == 1


async def test_a_transform_makes_the_input(doors, workflow):
    transform = {"title": "{% $input.body.issue.title %}", "page": "{% $number($input.query.page) %}", "kind": "issue"}
    await doors.trigger(workflow["id"], config={"path": "x", "transform": transform})

    taken = await doors.webhook.post("/webhooks/x?page=2", content=OPENED, headers=JSON)
    refused = await doors.webhook.post("/webhooks/x?page=2", content=b"{}", headers=JSON)

    execution = (await doors.api.get(f"/api/executions/{taken.json()['execution_id']}")).json()
    assert execution["input"] == {"title": "It hangs", "page": 2, "kind": "issue"}
    problem = assert_problem(refused, 422, "input.invalid")
    assert [each["code"] for each in problem["diagnostics"]] == ["webhook.expression_failed"]
    assert "issue.title" not in refused.text
    assert len(await doors.executions(workflow["id"])) == 1


async def answered(doors, workflow, response, result):
    config = {"path": "x", "respond": "finished", "response": response}
    await doors.trigger(workflow["id"], config=config)
    doors.completions.change = StatusChange(ExecutionStatus.SUCCEEDED, START, result=result)
    return await doors.webhook.post("/webhooks/x", content=OPENED, headers=JSON)


async def test_a_response_of_ones_own(doors, workflow):
    response = {
        "status": "{% $result.new ? 201 : 200 %}",
        "headers": {"Content-Type": "text/html", "Location": "{% '/issues/' & $result.id %}"},
        "body": "{% '<b>' & $input.body.issue.title & '</b>' %}",
    }
    answer = await answered(doors, workflow, response, {"new": True, "id": "7"})

    assert (answer.status_code, answer.text) == (201, "<b>It hangs</b>")
    assert (answer.headers["location"], answer.headers["content-security-policy"]) == ("/issues/7", "sandbox")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-execution-id"]


async def test_a_response_without_content(doors, workflow):
    answer = await answered(doors, workflow, {"status": 204}, {"a": 1})

    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_null_that_the_author_wrote_stays(doors, workflow):
    config = {"path": "n", "transform": {"a": None, "b": [None]}}
    await doors.trigger(workflow["id"], config=config)
    taken = await doors.webhook.post("/webhooks/n", content=OPENED, headers=JSON)
    answer = await answered(doors, workflow, {"body": None}, {"secret": 1})

    execution = (await doors.api.get(f"/api/executions/{taken.json()['execution_id']}")).json()
    assert execution["input"] == {"a": None, "b": [None]}
    assert (answer.status_code, answer.json()) == (200, None)


@pytest.mark.parametrize(
    ("response", "result"),
    [
        ({"status": "{% $result %}"}, 99),
        ({"status": "{% $result %}"}, 200.5),
        ({"headers": {"X-A": "{% $result %}"}}, "a\r\nSet-Cookie: b=c"),
        ({"headers": {"X-A": "{% $result %}"}}, 7),
        ({"body": "{% $result.missing %}"}, {}),
    ],
)
async def test_a_response_that_cannot_be_made_is_502(doors, workflow, response, result):
    answer = await answered(doors, workflow, response, result)

    assert_problem(answer, 502, "webhook.response_failed")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"filter": "true"}, "filter"),
        ({"filter": "{% $input. %}"}, "config.filter"),
        ({"filter": "{% $inptu.body %}"}, "$inptu"),
        ({"transform": {"a": ["{% ( %}"]}}, "config.transform.a[0]"),
        ({"response": {"body": 1}}, "finished"),
        ({"respond": "finished", "response": {"status": 99}}, "599"),
        ({"respond": "finished", "response": {"status": "200"}}, "expression"),
        ({"respond": "finished", "response": {"headers": {"Content-Length": "1"}}}, "Content-Length"),
        ({"respond": "finished", "response": {"body": "{% $output %}"}}, "$output"),
    ],
)
async def test_mistakes_are_told_when_the_trigger_is_stored(doors, workflow, config, says):
    answer = await doors.api.post(
        f"/api/workflows/{workflow['id']}/triggers", json={"type": "webhook", "config": config}
    )

    problem = assert_problem(answer, 422, "request.parameter_invalid")
    assert says in problem["detail"]
