"""Signing in through another organisation's OpenID Connect provider. shared/identity/oidc.py says how it holds."""

import hmac
from secrets import token_urlsafe
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Cookie, Query, Request, Response
from fastapi.responses import RedirectResponse

from functions.api.access import public
from functions.api.deps import Wired
from functions.api.errors import documented
from functions.api.models.identity import OidcCode, SignInProviders, TokensOut
from functions.api.pages.authorising import check_cookie, cookie_of
from functions.api.requests import JsonRoute
from functions.api.routes.auth import begun
from shared.errors import Unauthenticated
from shared.identity import login
from shared.identity.oidc import (
    ASKED_LASTS,
    CALLBACK,
    CODE_LASTS,
    Asked,
    Code,
    challenge_of,
    check_redirect,
    seal,
    unseal,
)
from shared.ids import new_id

router = APIRouter(tags=["access"], route_class=JsonRoute)

COOKIE = "millrace_sign_in"
_PATH = "/auth/oidc"
_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
Challenge = Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{43}$")]
State = Annotated[str, Query(max_length=8_000)]


@router.get("/api/auth/providers", dependencies=[public("the sign-in page needs it")], responses=documented())
async def sign_in_providers(deps: Wired) -> SignInProviders:
    """Through whom one can sign in: send the browser to `/auth/oidc/{name}?redirect=…&challenge=…`."""
    return SignInProviders(providers=list(deps.oidc.names))


@router.get(f"{_PATH}/callback", include_in_schema=False)
async def finish(
    state: State,
    deps: Wired,
    code: Annotated[str | None, Query(max_length=4_000)] = None,
    cookie: Annotated[str | None, Cookie(alias=COOKIE)] = None,
) -> RedirectResponse:
    """Takes the provider's answer, and sends the browser back with a code of our own."""
    now = deps.clock.now()
    asked = unseal(deps.secrets, state, Asked, now)
    check_cookie(state, cookie)
    if not code:
        raise Unauthenticated("The provider did not let you in. Begin again.")
    user = await login.recognised(deps.access, await deps.oidc.person(asked, code))
    own = seal(deps.secrets, Code(user.id, new_id(), asked.challenge, (now + CODE_LASTS).timestamp()))
    joint = "&" if "?" in asked.redirect else "?"
    answer = RedirectResponse(f"{asked.redirect}{joint}{urlencode({'code': own})}", 303, _HEADERS)
    answer.delete_cookie(COOKIE, path=_PATH)
    return answer


@router.get(f"{_PATH}/{{provider}}", include_in_schema=False)
async def begin(
    provider: str,
    request: Request,
    deps: Wired,
    redirect: Annotated[str, Query(max_length=500)],
    challenge: Challenge,
) -> RedirectResponse:
    """Sends the browser to the provider."""
    check_redirect(redirect)
    asked = Asked(
        provider=provider,
        nonce=token_urlsafe(24),
        verifier=token_urlsafe(48),
        redirect=redirect,
        challenge=challenge,
        callback=f"{str(request.base_url).rstrip('/')}{CALLBACK}",
        until=(deps.clock.now() + ASKED_LASTS).timestamp(),
    )
    state = seal(deps.secrets, asked)
    answer = RedirectResponse(await deps.oidc.authorize_url(asked, state), 303, _HEADERS)
    answer.set_cookie(
        COOKIE,
        cookie_of(state),
        max_age=int(ASKED_LASTS.total_seconds()),
        path=_PATH,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return answer


@router.post(
    "/api/auth/oidc",
    dependencies=[public("the code and its verifier are the proof")],
    responses=documented(400, 401, 413),
)
async def tokens(body: OidcCode, request: Request, response: Response, deps: Wired) -> TokensOut:
    """Tokens for the code that the browser came back with, for whoever began: their verifier proves it (RFC 7636)."""
    response.headers["Cache-Control"] = "no-store"
    code = unseal(deps.secrets, body.code.get_secret_value(), Code, deps.clock.now())
    given = challenge_of(body.verifier.get_secret_value())
    if not hmac.compare_digest(given, code.challenge):
        raise Unauthenticated("The verifier is not the one of the challenge that this sign-in began with.")
    signed_in = await login.vouched(deps.access, code.user_id, code.session_id)
    await begun(deps, request, signed_in)
    return TokensOut.of(signed_in.tokens)
