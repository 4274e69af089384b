"""What a delivery passes before its proof is looked at: the allow-list, the size limit, CORS and handshakes."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.errors import AddressNotAllowed, RequestTooLarge
from shared.triggers import challenges
from shared.triggers.callers import caller, networks, within
from shared.triggers.webhook import WebhookTriggerConfig

PREFLIGHT_SECONDS = 600


def check_address(config: WebhookTriggerConfig, request: Request, trusted_proxies: str) -> None:
    """Raises AddressNotAllowed unless the allow-list is empty or holds the sender's address."""
    if not config.allowed_ips:
        return
    trusted = networks(tuple(each.strip() for each in trusted_proxies.split(",") if each.strip()))
    peer = request.client.host if request.client else None
    address = caller(peer, request.headers.getlist("x-forwarded-for"), trusted)
    if address is None or not within(address, networks(tuple(config.allowed_ips))):
        raise AddressNotAllowed(
            f"Deliveries from {address or 'this address'} are not taken in here. Add the address to allowed_ips of the "
            "webhook; where a proxy of yours stands in between, name it in MILLRACE_TRUSTED_PROXIES."
        )


async def limited_body(config: WebhookTriggerConfig, request: Request) -> bytes:
    """The raw body. Raises RequestTooLarge above the webhook's own limit, by its Content-Length before it is read."""
    limit = config.max_body_bytes
    declared = request.headers.get("content-length", "")
    if limit is not None and declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    body = await request.body()
    if limit is not None and len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"The body is larger than {limit} bytes, the most that this webhook takes in. Send less.")


def handshake(config: WebhookTriggerConfig, request: Request) -> Response | None:
    """The answer to a handshake without a signature; None where the request is none."""
    echo = challenges.answer(config.challenge, request.method, request.query_params)
    if echo is None:
        return None
    if echo.text is None:
        raise HTTPException(403, "The handshake's token is not the one of this webhook, or its challenge is too long.")
    return Response(echo.text, 200, {"X-Content-Type-Options": "nosniff"}, "text/plain")


def preflight(config: WebhookTriggerConfig, request: Request) -> Response | None:
    """The answer to a page's CORS preflight (https://fetch.spec.whatwg.org/#http-cors-protocol)."""
    if request.method != "OPTIONS" or not config.cors_origins:
        return None
    headers = {
        "Access-Control-Allow-Methods": ", ".join(config.methods),
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
    if wanted := request.headers.get("access-control-request-headers"):
        headers["Access-Control-Allow-Headers"] = wanted
    return Response(None, 204, headers)


def allow_origin(config: WebhookTriggerConfig, request: Request, response: Response) -> None:
    """Lets a page of an allowed origin read the answer; credentials of the browser are never asked for."""
    if not config.cors_origins:
        return
    origin = request.headers.get("origin", "")
    response.headers.add_vary_header("Origin")
    if "*" in config.cors_origins or origin in config.cors_origins:
        response.headers["Access-Control-Allow-Origin"] = "*" if "*" in config.cors_origins else origin
        response.headers["Access-Control-Expose-Headers"] = "X-Execution-Id, X-Correlation-Id, Retry-After"
