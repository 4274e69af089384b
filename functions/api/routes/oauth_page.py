"""The pages by which a person gives a connection access to a service. Links are sealed, and good for 10 minutes."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Cookie, Header, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from functions.api.connection_test import tried
from functions.api.deps import Wired
from functions.api.pages import authorising
from shared.connections.records import Connection, Grant
from shared.connections.sealing import sealed_grant
from shared.errors import Unauthenticated

router = APIRouter(prefix="/oauth", include_in_schema=False, default_response_class=HTMLResponse)

# Not `no-referrer`, with which browsers hide where a form was sent from.
_HEADERS = {
    "Content-Security-Policy": authorising.POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
}
State = Annotated[str, Query(max_length=8_000)]


@router.get("/start")
async def show(state: State, deps: Wired) -> HTMLResponse:
    """Says what is about to be asked; changes nothing."""
    return _page(authorising.question(authorising.asked_by(deps.secrets, state, deps.clock.now())))


@router.post("/start")
async def begin(
    request: Request, state: State, deps: Wired, sec_fetch_site: Annotated[str | None, Header()] = None
) -> RedirectResponse:
    """Sends the browser to the service."""
    if sec_fetch_site != "same-origin":
        raise Unauthenticated("This can only be begun on the page that asks; open the link, and continue there.")
    asked = authorising.asked_by(deps.secrets, state, deps.clock.now())
    answer = RedirectResponse(f"{asked.url}&state={state}", 303, _HEADERS)
    answer.set_cookie(
        authorising.COOKIE,
        authorising.cookie_of(state),
        max_age=int(authorising.LASTS.total_seconds()),
        path="/oauth",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get("/callback")
async def finish(
    state: State,
    deps: Wired,
    code: Annotated[str | None, Query(max_length=4_000)] = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
    cookie: Annotated[str | None, Cookie(alias=authorising.COOKIE)] = None,
) -> HTMLResponse:
    """Takes what the service answered, and tries it."""
    asked = authorising.asked_by(deps.secrets, state, deps.clock.now())
    authorising.check_cookie(state, cookie)
    if not code:
        return _page(authorising.told("No access", f"The service gave none ({error or 'no reason'})."), 403)
    grant = sealed_grant(deps.secrets, Grant(code, asked.verifier, asked.redirect_uri))

    async def granted(connection: Connection) -> Connection:
        return replace(connection, grant=grant, updated_at=deps.clock.now())

    async def ungranted(connection: Connection) -> Connection:
        return replace(connection, grant=None) if connection.grant == grant else connection

    connection = await deps.connections.update(asked.project_id, asked.connection_id, granted)
    if connection is None:
        return _page(authorising.told("No access", "The connection was deleted meanwhile."), 404)
    outcome = await tried(deps.runner, connection, {})
    if outcome.ok:
        return _page(authorising.told("Connected", f"'{connection.name}' has access now. You can close this page."))
    await deps.connections.update(asked.project_id, asked.connection_id, ungranted)
    return _page(authorising.told("No access", outcome.message or "The service gave no token."), 502)


def _page(content: str, status: int = 200) -> HTMLResponse:
    answer = HTMLResponse(content, status, _HEADERS)
    answer.delete_cookie(authorising.COOKIE, path="/oauth")
    return answer
