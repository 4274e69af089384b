"""Signing in: passwords, refresh tokens, machines, and the public keys of access tokens."""

import base64
import binascii
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from functions.api.access import identified, public, signed_in
from functions.api.deps import Wired
from functions.api.errors import documented
from functions.api.models.identity import ChangePassword, Login, MachineTokenOut, Me, Refresh, TokensOut
from functions.api.requests import JsonRoute
from shared.errors import InvalidParameter, PermissionMissing, Unauthenticated
from shared.identity import login
from shared.identity.signing_in import Identity

router = APIRouter(tags=["access"], route_class=JsonRoute)

_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"const": "client_credentials"},
                        "client_id": {"type": "string", "description": "A key's prefix."},
                        "client_secret": {"type": "string", "description": "What follows it in the key."},
                        "scope": {"type": "string"},
                    },
                }
            }
        },
    }
}
_OAUTH_ERROR: dict[int | str, dict[str, Any]] = {
    status: {"description": "`error`, as RFC 6749 §5.2.", "content": {"application/json": {}}} for status in (400, 401)
}
_NO_STORE = {"Cache-Control": "no-store"}


@router.post("/api/auth/login", dependencies=[public("it is how one signs in")], responses=documented(400, 401, 429))
async def log_in(body: Login, response: Response, deps: Wired) -> TokensOut:
    """An access token of 15 minutes and a refresh token of 30 days."""
    response.headers.update(_NO_STORE)
    return TokensOut.of(await login.log_in(deps.access, body.email, body.password.get_secret_value()))


@router.post("/api/auth/refresh", dependencies=[public("the token is the proof")], responses=documented(400, 401))
async def refresh_tokens(body: Refresh, response: Response, deps: Wired) -> TokensOut:
    """The next pair. A refresh token that comes a second time ends its family: somebody copied it."""
    response.headers.update(_NO_STORE)
    return TokensOut.of(await login.refresh(deps.access, body.refresh_token.get_secret_value()))


@router.post(
    "/api/auth/logout", status_code=204, dependencies=[public("the token is the proof")], responses=documented(400)
)
async def log_out(body: Refresh, deps: Wired) -> None:
    """Ends the refresh token's family. The access token lasts until its 15 minutes are over."""
    await login.log_out(deps.access, body.refresh_token.get_secret_value())


@router.post(
    "/api/auth/token",
    dependencies=[public("the key is the proof")],
    responses=documented() | _OAUTH_ERROR,
    response_model=MachineTokenOut,
    openapi_extra=_FORM,
)
async def machine_token(request: Request, deps: Wired) -> Response:
    """OAuth 2.0 client credentials (RFC 6749 §4.4): an API key's two parts give an access token."""
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode("latin-1")).items()}
    if form.get("grant_type") != "client_credentials":
        return _oauth_error(400, "unsupported_grant_type", "The only grant type here is client_credentials.")
    client_id, secret = _client(request, form)
    try:
        token, scope = await login.machine_token(deps.access, client_id, secret, form.get("scope"))
    except Unauthenticated as error:
        return _oauth_error(401, "invalid_client", error.message)
    except InvalidParameter as error:
        return _oauth_error(400, "invalid_scope", error.message)
    return JSONResponse(MachineTokenOut(access_token=token, scope=scope).model_dump(), headers=_NO_STORE)


@router.get("/.well-known/jwks.json", dependencies=[public("public keys are public")], responses=documented())
async def jwks(deps: Wired) -> dict[str, list[dict[str, Any]]]:
    """The public keys of access tokens, as a JSON Web Key Set (RFC 7517), newest first."""
    return {"keys": [dict(each) for each in await deps.access.tokens.public_keys()]}


@router.get("/api/me", dependencies=[signed_in()], responses=documented())
async def me(identity: Annotated[Identity, Depends(identified)]) -> Me:
    """Who the credentials belong to, and what they may do where."""
    projects = {project: sorted(permissions) for project, permissions in identity.grants.items()}
    return Me(kind=identity.kind, id=identity.id, projects=projects)


@router.put("/api/me/password", status_code=204, dependencies=[signed_in()], responses=documented(400, 403))
async def change_password(
    body: ChangePassword, deps: Wired, identity: Annotated[Identity, Depends(identified)]
) -> None:
    """Needs the password that there is: a token that was left behind is not enough."""
    user = await deps.access.members.user(identity.id) if identity.kind == "user" else None
    if user is None:
        raise PermissionMissing("Only a user who signed in with a password can change it.")
    if not await deps.access.passwords.matches(body.current_password.get_secret_value(), user.password_hash):
        raise InvalidParameter("The current password is wrong; nothing was changed.")
    new = await deps.access.passwords.hash(body.new_password.get_secret_value())
    await deps.access.members.set_password(user.id, new)


def _client(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """Id and secret, from HTTP Basic (RFC 6749 §2.3.1) or else from the form."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode("latin-1").partition(":")
    except binascii.Error:
        return "", ""
    return unquote(name), unquote(secret)


def _oauth_error(status: int, error: str, words: str) -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="millrace"'} if status == 401 else {}  # noqa: PLR2004 - HTTP
    return JSONResponse({"error": error, "error_description": words}, status, {**_NO_STORE, **headers})
