"""A small client of the REST API, for the command line and the demo.

Every method raises ServerUnreachable where no answer comes, and Refused where the answer is an RFC 9457 problem.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self, cast

import httpx
import httpx_sse
import orjson

from local.cli import credentials
from local.cli.credentials import is_loopback
from local.cli.shapes import (
    DEFAULT_URL,
    BulkInputs,
    Change,
    Diagnostic,
    Execution,
    LogLine,
    Page,
    Started,
    Trigger,
    Workflow,
)

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
WATCH_TIMEOUT = httpx.Timeout(30.0, connect=5.0, read=60.0)
"""The server sends heartbeats, so a minute of silence means that the connection is dead."""
RECONNECTS = 8
"""How often in a row a broken watch is taken up again: with the waits between, about 20 s, enough for a restart."""


class ApiError(Exception):
    """A call of the API came to nothing."""


class ServerUnreachable(ApiError):
    """No answer: nothing listens at the URL, or the connection broke."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"No Millrace server answers at {url} ({reason}).")
        self.url = url


class Refused(ApiError):
    """The server answered with a problem document. Source: https://www.rfc-editor.org/rfc/rfc9457."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> None:
        """`retry_after`: in how many seconds the server wants to be asked again, where it says so."""
        detail = problem.get("detail") or problem.get("title") or f"HTTP status {status}"
        super().__init__(detail)
        self.status = status
        self.retry_after = retry_after
        self.code: str = problem.get("code", "")
        self.diagnostics: list[Diagnostic] = problem.get("diagnostics") or []
        self.correlation_id: str | None = problem.get("correlation_id")


class MillraceClient:
    """One connection pool to one server. Use it as an async context manager, or call `close`."""

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        key: str | None = None,
    ) -> None:
        """`key`: an API key or an access token; without one, what `credentials.find` knows."""
        self.base_url = base_url.rstrip("/")
        key = key or credentials.find(self.base_url)
        # A proxy of the environment cannot reach this machine's loopback.
        self._http = httpx.AsyncClient(
            base_url=self.base_url, timeout=TIMEOUT, transport=transport, trust_env=not is_loopback(self.base_url)
        )
        if key is not None:
            self._http.headers["Authorization"] = f"Bearer {key}"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Gives the connections back."""
        await self._http.aclose()

    async def me(self) -> dict[str, Any]:
        """Who the credentials belong to."""
        return cast("dict[str, Any]", await self._call("GET", "/api/me"))

    async def sign_in(self, email: str, password: str) -> str:
        """An access token for a password; it lasts 15 minutes."""
        body = {"email": email, "password": password}
        return str((await self._call("POST", "/api/auth/login", json=body))["access_token"])

    async def create_key(self, name: str) -> str:
        """A new API key with the caller's own permissions."""
        return str((await self._call("POST", "/api/keys", json={"name": name}))["key"])

    async def workflows(self, *, limit: int = 50, cursor: str | None = None) -> Page[Workflow]:
        """One page of workflows, newest first."""
        return await self._page("/api/workflows", {"limit": limit, "cursor": cursor})

    async def find_by_name(self, name: str) -> Workflow | None:
        """The workflow of this name, or None."""
        cursor: str | None = None
        while True:
            page = await self.workflows(limit=200, cursor=cursor)
            for workflow in page.items:
                if workflow["name"] == name:
                    return workflow
            if not (cursor := page.next_cursor):
                return None

    async def create_workflow(self, definition: Mapping[str, Any]) -> Workflow:
        """Creates a draft; the answer carries the compiler's warnings."""
        return cast("Workflow", await self._call("POST", "/api/workflows", json=definition))

    async def update_workflow(self, workflow_id: str, definition: Mapping[str, Any]) -> Workflow:
        """Adds a version; the answer carries the compiler's warnings."""
        return cast("Workflow", await self._call("PUT", f"/api/workflows/{workflow_id}", json=definition))

    async def activate(self, workflow_id: str) -> Workflow:
        """Lets the workflow's triggers fire."""
        return cast("Workflow", await self._call("POST", f"/api/workflows/{workflow_id}/activate"))

    async def triggers(self, workflow_id: str) -> list[Trigger]:
        """The workflow's triggers."""
        page: Page[Trigger] = await self._page(f"/api/workflows/{workflow_id}/triggers", {})
        return page.items

    async def create_trigger(
        self, workflow_id: str, *, config: Mapping[str, Any], secret: str | None = None, kind: str = "webhook"
    ) -> Trigger:
        """Adds a trigger; a webhook's URL is in the answer."""
        body = {"type": kind, "config": config} | ({"secret": secret} if secret is not None else {})
        return cast("Trigger", await self._call("POST", f"/api/workflows/{workflow_id}/triggers", json=body))

    async def update_trigger(self, trigger_id: str, changes: Mapping[str, Any]) -> Trigger:
        """Changes the given fields (`config`, `secret`, `is_active`) and leaves the others as they are."""
        return cast("Trigger", await self._call("PUT", f"/api/triggers/{trigger_id}", json=changes))

    async def next_runs(self, trigger_id: str, count: int) -> dict[str, Any]:
        """When a trigger that goes by the clock fires next: `{timezone, items: [{time, local_time}]}`."""
        return cast("dict[str, Any]", await self._call("GET", f"/api/triggers/{trigger_id}/next-runs?count={count}"))

    async def preview_trigger(self, kind: str, config: Mapping[str, Any], count: int) -> dict[str, Any]:
        """When a trigger of this config would fire, as `next_runs`."""
        body = {"type": kind, "config": config, "count": count}
        return cast("dict[str, Any]", await self._call("POST", "/api/triggers/preview", json=body))

    async def trigger_state(self, trigger_id: str) -> dict[str, Any]:
        """What a trigger that goes by the clock remembers: `{due_at, state}`."""
        return cast("dict[str, Any]", await self._call("GET", f"/api/triggers/{trigger_id}/state"))

    async def execute(
        self, workflow_id: str, data: Any = None, *, idempotency_key: str | None = None, replay: str | None = None
    ) -> Started:
        """Starts an execution. The same key, with the same input, starts nothing twice. `replay`: an execution whose
        agents' turns are taken again."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        path = f"/api/workflows/{workflow_id}/execute"
        body = {"input": data} | ({"replay": replay} if replay else {})
        return cast("Started", await self._call("POST", path, json=body, headers=headers))

    async def execution(self, execution_id: str) -> Execution:
        """One execution with its node runs."""
        return cast("Execution", await self._call("GET", f"/api/executions/{execution_id}"))

    async def executions(
        self, *, workflow_id: str | None = None, status: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[Execution]:
        """One page of executions, newest first."""
        query = {"workflow_id": workflow_id, "status": status, "limit": limit, "cursor": cursor}
        return await self._page("/api/executions", query)

    async def cancel(self, execution_id: str) -> dict[str, Any]:
        """Asks for the execution to be stopped."""
        return cast("dict[str, Any]", await self._call("POST", f"/api/executions/{execution_id}/cancel"))

    async def redrive(self, execution_id: str) -> dict[str, Any]:
        """Lets the execution go on from where it failed."""
        return cast("dict[str, Any]", await self._call("POST", f"/api/executions/{execution_id}/redrive"))

    async def start_bulk(self, workflow_id: str, inputs: BulkInputs, *, max_in_flight: int) -> dict[str, Any]:
        """Starts the workflow once for each input."""
        path = f"/api/workflows/{workflow_id}/bulk"
        return await self._bulk(path, inputs, max_in_flight=max_in_flight)

    async def check_bulk(self, workflow_id: str, inputs: BulkInputs) -> dict[str, Any]:
        """What starting with these inputs would find: `{valid, invalid, diagnostics}`."""
        return await self._bulk(f"/api/workflows/{workflow_id}/bulk/check", inputs)

    async def _bulk(self, path: str, inputs: BulkInputs, **query: Any) -> dict[str, Any]:
        query |= {"object": inputs.object_key} if inputs.object_key else {}
        headers = {"Content-Type": inputs.media_type}
        answer = await self._call("POST", path, params=query, content=inputs.data, headers=headers)
        return cast("dict[str, Any]", answer)

    async def bulk(self, bulk_id: str) -> dict[str, Any]:
        """One bulk run and how far it is."""
        return cast("dict[str, Any]", await self._call("GET", f"/api/bulk/{bulk_id}"))

    async def bulk_items(self, bulk_id: str, statuses: Sequence[str] = ()) -> AsyncIterator[dict[str, Any]]:
        """Every item, in order of the inputs."""
        query: dict[str, Any] = {"status": list(statuses), "limit": 200}
        while True:
            page: Page[dict[str, Any]] = await self._page(f"/api/bulk/{bulk_id}/items", query)
            for item in page.items:
                yield item
            if not page.next_cursor:
                return
            query["cursor"] = page.next_cursor

    async def cancel_bulk(self, bulk_id: str) -> dict[str, Any]:
        """Stops the bulk run."""
        return cast("dict[str, Any]", await self._call("POST", f"/api/bulk/{bulk_id}/cancel"))

    async def retry_bulk(self, bulk_id: str) -> dict[str, Any]:
        """Lets its executions that failed go on."""
        return cast("dict[str, Any]", await self._call("POST", f"/api/bulk/{bulk_id}/retry"))

    async def dead_letters(self, **query: str | int | None) -> list[dict[str, Any]]:
        """Dead letters, newest first."""
        return cast("list[dict[str, Any]]", (await self._page("/api/dead-letters", query)).items)

    async def dead_letter(self, letter_id: str) -> dict[str, Any]:
        """One dead letter with its payload."""
        return cast("dict[str, Any]", await self._call("GET", f"/api/dead-letters/{letter_id}"))

    async def settle_dead_letters(self, how: str, ids: Sequence[str]) -> dict[str, Any]:
        """Redrives or discards several: `{failed_count, items}`."""
        return cast("dict[str, Any]", await self._call("POST", f"/api/dead-letters/{how}", json={"ids": list(ids)}))

    async def connections(self) -> list[dict[str, Any]]:
        """Every connection, without its secrets."""
        return cast("list[dict[str, Any]]", (await self._page("/api/connections", {})).items)

    async def put_connection(self, name: str, credentials: Any, connection_id: str | None) -> dict[str, Any]:
        """Makes a connection, or replaces the credentials of the one with this id."""
        if connection_id is None:
            body = {"name": name, "credentials": credentials}
            return cast("dict[str, Any]", await self._call("POST", "/api/connections", json=body))
        path, body = f"/api/connections/{connection_id}", {"credentials": credentials}
        return cast("dict[str, Any]", await self._call("PUT", path, json=body))

    async def test_connection(self, connection_id: str, url: str | None) -> dict[str, Any]:
        """`{ok, checked}` or `{ok, error, message}`."""
        path = f"/api/connections/{connection_id}/test"
        return cast("dict[str, Any]", await self._call("POST", path, json={"url": url}))

    async def authorize_connection(self, connection_id: str) -> dict[str, Any]:
        """`{url, redirect_uri, expires_in}`."""
        return cast("dict[str, Any]", await self._call("POST", f"/api/connections/{connection_id}/authorize"))

    async def delete_connection(self, connection_id: str) -> None:
        """Removes it."""
        await self._call("DELETE", f"/api/connections/{connection_id}")

    async def approvals(self, *, status: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """Approvals, newest first."""
        query = {"status": status, "limit": limit}
        return cast("list[dict[str, Any]]", (await self._page("/api/approvals", query)).items)

    async def decide(
        self, approval_id: str, *, approved: bool, by: str | None, comment: str, form: Any
    ) -> dict[str, Any]:
        """Decides an approval."""
        body = {"approved": approved, "by": by, "comment": comment, "form": form}
        return cast("dict[str, Any]", await self._call("POST", f"/api/approvals/{approval_id}/decide", json=body))

    async def logs(
        self, execution_id: str, *, level: str | None = None, node: str | None = None, since: str | None = None
    ) -> AsyncIterator[LogLine]:
        """All log lines of the execution that match, oldest first."""
        query: dict[str, Any] = {"level": level, "node": node, "since": since, "limit": 200}
        while True:
            page: Page[LogLine] = await self._page(f"/api/executions/{execution_id}/logs", query)
            for line in page.items:
                yield line
            if not page.next_cursor:
                return
            query["cursor"] = page.next_cursor

    async def audit_entries(self, wanted: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        """Entries of the audit log, newest first."""
        return cast("list[dict[str, Any]]", (await self._page("/api/audit", wanted)).items)

    async def audit_head(self) -> dict[str, Any]:
        """Where the audit log's chain ends and begins."""
        return cast("dict[str, Any]", await self._call("GET", "/api/audit/head"))

    async def audit_lines(self) -> AsyncIterator[str]:
        """Every entry as a line of JSON, oldest first."""
        try:
            async with self._http.stream("GET", "/api/audit/export") as response:
                if response.is_error:
                    await response.aread()
                    raise _refused(response)
                async for line in response.aiter_lines():
                    yield line
        except httpx.TransportError as error:
            raise ServerUnreachable(self.base_url, _reason(error)) from None

    async def watch(self, execution_id: str, *, after: str = "") -> AsyncGenerator[Change, None]:
        """Every change of the execution as it happens, from the event `after` on; ends with the terminal one.

        A connection that breaks is taken up again where it broke, so that a restart of the server loses nothing; one
        that the server ends, saying when to come back, is taken up then.
        """
        failures, reason, later = 0, "", 0.0
        while failures <= RECONNECTS:
            await asyncio.sleep(min(0.1 * 2**failures, 5.0) if failures else later)
            failures += 1
            try:
                async with aclosing(self._stream(execution_id, after)) as changes:
                    async for change in changes:
                        if isinstance(change, float):
                            failures, later = 0, change
                            continue
                        failures, after = 0, change.id or after
                        yield change
                        if change.final:
                            return
            except (httpx.TransportError, httpx_sse.SSEError) as error:
                reason = _reason(error)
        raise ServerUnreachable(self.base_url, reason or "it closes the event stream")

    async def _stream(self, execution_id: str, after: str) -> AsyncGenerator[Change | float, None]:
        """Changes, and in how many seconds to come back where the server says that the stream may end."""
        headers = {"Last-Event-ID": after} if after else {}
        path = f"/api/executions/{execution_id}/events"
        async with httpx_sse.aconnect_sse(self._http, "GET", path, headers=headers, timeout=WATCH_TIMEOUT) as source:
            if source.response.is_error:
                await source.response.aread()
                raise _refused(source.response)
            async with aclosing(source.aiter_sse()) as events:
                async for event in events:
                    if event.retry is not None:
                        yield event.retry / 1_000
                    elif event.event in ("node", "execution", "text"):
                        yield Change(event.id, cast("Any", event.event), orjson.loads(event.data))

    async def _page(self, path: str, query: Mapping[str, Any]) -> Page[Any]:
        given = {key: value for key, value in query.items() if value is not None}
        body = await self._call("GET", path, params=given)
        return Page(body["items"], body.get("next_cursor"))

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = await self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise ServerUnreachable(self.base_url, _reason(error)) from None
        if response.is_error:
            raise _refused(response)
        return response.json() if response.content else None


def _refused(response: httpx.Response) -> Refused:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"detail": f"{response.url} answered {response.status_code} {response.reason_phrase}."}
    after = response.headers.get("Retry-After", "")
    return Refused(response.status_code, problem, float(after) if after.isdecimal() else None)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
