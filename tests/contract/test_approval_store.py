"""ApprovalStore, and the deciding that stands on it."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from shared.approvals.deciding import decide
from shared.approvals.records import Approval, ApprovalStatus, Decision
from shared.approvals.telling import tell_all
from shared.errors import ApprovalClosed
from shared.executions.records import ExecutionStatus, StatusChange, TaskCompletion
from shared.ids import new_id
from shared.ports import TaskCompletions
from shared.settings import DEFAULT_PROJECT_ID
from tests.support.stores import Stores, new_request, new_workflow, now

PROJECT = DEFAULT_PROJECT_ID


class Heard(TaskCompletions):
    def __init__(self) -> None:
        self.completions: list[TaskCompletion] = []

    async def submit(self, completion: TaskCompletion) -> bool:
        self.completions.append(completion)
        return True


@pytest.fixture(autouse=True)
async def _empty(stores: Stores) -> None:
    async with stores.engine.begin() as connection:
        await connection.execute(text("TRUNCATE approvals"))


def new_approval(stores: Stores, token: str = "token", **fields: Any) -> Approval:
    base: dict[str, Any] = {
        "id": new_id(),
        "project_id": PROJECT,
        "execution_id": new_id(),
        "workflow_id": new_id(),
        "workflow": "w",
        "node": "ask",
        "title": "Go?",
        "description": "",
        "form_schema": {"type": "object"},
        "approvers": ["ada"],
        "sealed_token": stores.secrets.encrypt(token),
        "token_digest": f"digest of {token}",
        "created_at": now(),
    }
    return Approval(**{**base, **fields})


def said(*, approved: bool = True, by: str = "ada") -> Decision:
    return Decision(approved, by, now(), "because", {"a": 1})


async def test_what_is_asked_comes_back(stores: Stores):
    first, second = new_approval(stores), new_approval(stores)
    for each in (first, second, first):
        await stores.approvals.ask(each)

    listed = await stores.approvals.list(PROJECT, limit=1)
    rest = await stores.approvals.list(PROJECT, cursor=listed.next_cursor)

    assert await stores.approvals.get(PROJECT, first.id) == first
    assert [*listed.items, *rest.items] == [second, first]
    assert (await stores.approvals.list(PROJECT, status=ApprovalStatus.APPROVED)).items == []
    assert (await stores.approvals.list(PROJECT, execution_id=first.execution_id)).items == [first]
    assert await stores.approvals.get(new_id(), first.id) is None
    assert await stores.approvals.get(PROJECT, "no-id") is None


async def test_only_the_first_decision_counts(stores: Stores):
    approval = new_approval(stores)
    await stores.approvals.ask(approval)

    answers = [await stores.approvals.decide(approval, said(approved=each)) for each in (False, True)]

    kept = await stores.approvals.get(PROJECT, approval.id)
    assert kept is not None
    assert kept.decision is not None
    assert (answers, kept.status, kept.decision.approved) == ([True, False], ApprovalStatus.REJECTED, False)


async def test_one_that_is_asked_again_under_another_token_is_pending_again(stores: Stores):
    approval = new_approval(stores)
    await stores.approvals.ask(approval)
    await stores.approvals.decide(approval, said())
    again = replace(new_approval(stores, "other"), id=approval.id, approvers=["boss"], created_at=approval.created_at)

    await stores.approvals.ask(again)

    assert await stores.approvals.get(PROJECT, approval.id) == again
    assert not await stores.approvals.decide(approval, said()), "it was made for the earlier token"
    await stores.approvals.expire(approval.execution_id, approval.token_digest)
    assert await stores.approvals.decide(again, said())


async def test_a_decided_approval_does_not_expire(stores: Stores):
    approval, waiting = new_approval(stores), new_approval(stores)
    for each in (approval, waiting):
        await stores.approvals.ask(each)
    await stores.approvals.decide(approval, said())
    for each in (approval, waiting):
        await stores.approvals.expire(each.execution_id, each.token_digest)

    found = [await stores.approvals.get(PROJECT, each.id) for each in (approval, waiting)]

    assert [each.status for each in found if each] == [ApprovalStatus.APPROVED, ApprovalStatus.EXPIRED]


async def test_what_an_execution_asked_that_has_ended_expires(stores: Stores):
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    ended, running = new_request(workflow), new_request(workflow)
    for request in (ended, running):
        await stores.queue.submit(request)
        await stores.approvals.ask(replace(new_approval(stores), execution_id=request.execution_id))
    change = StatusChange(ExecutionStatus.FAILED, now(), error={"name": "E", "cause": ""})
    await stores.journal.write(ended.execution_id, PROJECT, (), change)

    assert await stores.approvals.expire_ended(running.execution_id) == 0
    assert await stores.approvals.expire_ended(ended.execution_id) == 1
    assert await stores.approvals.expire_ended() == 0, "nobody else's"

    pages = [await stores.approvals.list(PROJECT, execution_id=each.execution_id) for each in (ended, running)]
    assert [page.items[0].status for page in pages] == [ApprovalStatus.EXPIRED, ApprovalStatus.PENDING]


async def test_a_decision_that_was_kept_and_not_told_is_told_later_once(stores: Stores):
    approval, heard = new_approval(stores), Heard()
    await stores.approvals.ask(approval)
    await stores.approvals.decide(approval, said())  # and then the process ended

    for _ in range(2):
        await tell_all(approvals=stores.approvals, completions=heard, secrets=stores.secrets)

    (completion,) = heard.completions
    assert (completion.token, completion.kind, completion.output["by"]) == ("token", "succeeded", "ada")


async def test_a_decision_after_another_is_refused_with_who_decided(stores: Stores):
    approval, heard = new_approval(stores), Heard()
    await stores.approvals.ask(approval)
    given: dict[str, Any] = {"approvals": stores.approvals, "completions": heard, "secrets": stores.secrets}
    await decide(approval, said(), **given)

    with pytest.raises(ApprovalClosed, match="approved by ada"):
        await decide(approval, said(approved=False, by="bob"), **given)

    assert len(heard.completions) == 1
