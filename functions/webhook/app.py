"""The public webhook receiver: `/webhooks/{path}`.

A delivery is checked in this order, so that a caller who cannot sign learns nothing but whether the path exists:

  1. size           413  by Content-Length at once, else while the body is read
  2. path           404  unknown
  3. preflight      204  a page's CORS preflight, where the webhook names origins
  4. address        403  not on the allow-list
  5. handshake      200  of Meta, Microsoft Graph, or a HEAD; 403 the wrong token
  6. method         405  with `Allow`
  7. rate           429  of the sender's address
     size           413  above the webhook's own limit
  8. proof          401  a signature over the raw body, or a credential
     rate           429  of the webhook
  9. body           400  not what its content type says
 10. handshake      200  Slack's url_verification
 11. trigger        409  switched off
 12. rate           429  more authentic deliveries than the project may have; `Retry-After`
 13. workflow       410  deleted; 409 a draft or paused
 14. filter         200  `{"ignored": true}`; 422 it fails on this delivery
 15. transform      422  it fails on this delivery
 16. input_schema   422  with a diagnostic for each mistake; 413 an input that is too large
 17. submit         202  durable; a repeated delivery id answers with the first execution and `duplicate: true`
 18. finish         200  with `respond: finished`: the output, or the webhook's own response; 502 the execution failed

`/webhooks/{path}/test` goes as far as 10 and then keeps a sample; see capture.py.

No `Host` or `Origin` is asked for, other than by the API: deliveries come through tunnels and proxies, and what a page
could send here proves nothing without the signature. One query reads the target; submitting shares its commit with the
deliveries that arrive together.
"""

from dataclasses import replace
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from functions.webhook import answers, doors
from functions.webhook.body import checked_in, parse_body
from functions.webhook.capture import captured
from functions.webhook.deps import Deps
from shared.adapters.asgi.middleware import BodyLimit, Correlation
from shared.adapters.asgi.problems import correlation_id, on_http_error, on_millrace_error
from shared.errors import MillraceError, TooManyRequests, TriggerInactive, WebhookNotFound
from shared.executions.records import Accepted
from shared.executions.start import Origin, Startable, ensure_startable, start
from shared.ids import new_id
from shared.ports.limits import WINDOW_SECONDS, RateLimit
from shared.triggers.challenges import slack_challenge
from shared.triggers.records import TriggerType, WebhookRegistration, WebhookTarget
from shared.triggers.reshaping import reshaped
from shared.triggers.secrets import opened
from shared.triggers.signatures import Delivery, reads_url, verify
from shared.triggers.webhook import METHODS, WebhookTriggerConfig, config_of, is_path, webhook_input

TEST = "test"
"""The route of test URLs, which keep samples and start nothing."""


def create_app(deps: Deps) -> Starlette:
    """The receiver as an ASGI app; its route includes the `/webhooks` prefix."""
    app = Starlette(
        routes=[
            Route("/webhooks/{path}", deliver, methods=[*METHODS, "HEAD", "OPTIONS"]),
            Route("/webhooks/{path}/test", deliver, methods=[*METHODS, "HEAD", "OPTIONS"], name=TEST),
        ],
        middleware=[Middleware(Correlation), Middleware(BodyLimit, limit=deps.settings.max_body_bytes)],
        exception_handlers={MillraceError: on_millrace_error, HTTPException: on_http_error},
    )
    app.state.deps = deps
    return app


async def deliver(request: Request) -> Response:
    """One delivery; see the module for the order of the checks."""
    deps: Deps = request.app.state.deps
    target = await _target(deps, request.path_params["path"])
    config = config_of(target.registration.config)
    try:
        response = doors.preflight(config, request) or await _answer(deps, target, config, request)
    except MillraceError as error:
        response = await on_millrace_error(request, error)
    except HTTPException as error:
        response = await on_http_error(request, error)
    doors.allow_origin(config, request, response)
    return response


async def _answer(deps: Deps, target: WebhookTarget, config: WebhookTriggerConfig, request: Request) -> Response:
    doors.check_address(config, request, deps.settings.trusted_proxies)
    if (response := doors.handshake(config, request)) is not None:
        return response
    if request.method not in config.methods:
        raise HTTPException(405, headers={"Allow": ", ".join(config.methods)})
    registration = target.registration
    body = await _proven(deps, registration, config, request)
    parsed = await parse_body(request.headers.get("content-type", ""), body)
    challenge = slack_challenge(config.verification.scheme, parsed)
    if challenge is not None:
        return Response(orjson.dumps({"challenge": challenge}), 200, media_type="application/json")
    if request.scope["route"].name == TEST:
        given, _ = checked_in(parsed, f"{registration.project_id}/{registration.trigger_id}")
        return await captured(deps, target, config, _input(config, request, given))
    return await _started(deps, target, config, request, body=body, parsed=parsed)


async def _started(
    deps: Deps, target: WebhookTarget, config: WebhookTriggerConfig, request: Request, *, body: bytes, parsed: Any
) -> Response:
    """The answer to a proven delivery to the webhook's own URL."""
    registration = target.registration
    if not registration.is_active:
        raise TriggerInactive("This webhook is switched off. Switch it on: PUT /api/triggers/{id} {'is_active': true}.")
    await _count(deps, registration.project_id)
    startable = _startable(target)
    ensure_startable(startable)
    execution_id = new_id()
    given, blobs = checked_in(parsed, f"{registration.project_id}/{execution_id}")
    data = _input(config, request, given)
    if config.filter is not None and await reshaped("filter", config.filter, data) is not True:
        return Response(orjson.dumps({"ignored": True}), 200, media_type="application/json")
    if config.transform is not None:
        data = await reshaped("transform", config.transform, data)
    delivery_id = config.delivery_id(request.headers, parsed)
    fingerprint = delivery_id.encode() if delivery_id and config.delivery_id_in_body else body
    origin = replace(_origin(request, registration, delivery_id, fingerprint), execution_id=execution_id)
    for key, blob in blobs.items():  # those of a repeated delivery stay, too: its request may be the one that is run
        await deps.blobs.put(key, blob)
    accepted = await start(startable, data, origin, queue=deps.queue, clock=deps.clock)
    return await _accepted(deps, config, request, accepted, data)


async def _proven(
    deps: Deps, registration: WebhookRegistration, config: WebhookTriggerConfig, request: Request
) -> bytes:
    """The raw body of a delivery that proved itself, and that is not one too many."""
    await doors.check_rate_of_sender(deps, config, request, registration.trigger_id)
    body = await doors.limited_body(config, request)
    if config.needs_secret:
        delivery = _delivery(request, body, deps, config)
        verify(config.verification, opened(deps.secrets, registration.secret), delivery)
    await doors.check_rate(deps, config, registration.trigger_id)
    return body


def _input(config: WebhookTriggerConfig, request: Request, body: Any) -> Any:
    return webhook_input(
        config.verification,
        method=request.method,
        headers=request.headers.items(),
        query=request.query_params.multi_items(),
        body=body,
    )


async def _accepted(
    deps: Deps, config: WebhookTriggerConfig, request: Request, accepted: Accepted, data: Any
) -> Response:
    if config.respond == "finished" and not accepted.duplicate:
        change = await deps.completions.wait(accepted.execution_id, config.respond_within_seconds)
        if change is not None:
            return await answers.finished(request, accepted.execution_id, change, config.response, data)
    queued = {"execution_id": accepted.execution_id, "status": "queued", "duplicate": accepted.duplicate}
    return answers.as_json(queued, 202, accepted.execution_id)


async def _count(deps: Deps, project_id: str) -> None:
    """Raises TooManyRequests above the project's limit of authentic deliveries."""
    state = await deps.limits.spend(RateLimit("webhooks", project_id, deps.settings.rate_limit_webhooks))
    if not state.allowed:
        raise TooManyRequests(
            f"More than {state.limit.amount} deliveries in {WINDOW_SECONDS} s reached this project. Send it again.",
            retry_after_seconds=state.reset_seconds,
        )


def _delivery(request: Request, body: bytes, deps: Deps, config: WebhookTriggerConfig) -> Delivery:
    return Delivery(
        method=request.method,
        url=str(request.url) if reads_url(config.verification) else "",
        headers=request.headers.items(),
        query=request.query_params.multi_items(),
        body=body,
        at=deps.clock.now(),
    )


async def _target(deps: Deps, path: str) -> WebhookTarget:
    target = await deps.triggers.target(path) if is_path(path) else None
    if target is None:
        raise WebhookNotFound("No webhook is registered at this path. GET /api/webhooks lists those that are.")
    return target


def _startable(target: WebhookTarget) -> Startable:
    return Startable(
        project_id=target.registration.project_id,
        workflow_id=target.registration.workflow_id,
        name=target.workflow_name,
        status=target.workflow_status,
        version=target.version,
        input_schema=target.input_schema,
        flow_control=target.flow_control,
    )


def _origin(request: Request, registration: WebhookRegistration, delivery_id: str | None, fingerprint: bytes) -> Origin:
    """A redelivery has the same body; its headers may differ, so the body alone tells two deliveries apart."""
    return Origin(
        trigger={"type": TriggerType.WEBHOOK.value, "id": registration.trigger_id},
        correlation_id=correlation_id(request.scope) or "",
        trigger_id=registration.trigger_id,
        delivery_id=delivery_id,
        idempotency_key=f"webhook:{registration.trigger_id}:{delivery_id}" if delivery_id else None,
        fingerprint=fingerprint,
    )
