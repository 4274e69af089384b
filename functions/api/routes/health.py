"""Whether the process lives, and whether it can work."""

import asyncio
import logging

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from functions.api.access import public
from functions.api.deps import Probe, Wired

PROBE_SECONDS = 2.0

router = APIRouter(tags=["health"])
log = logging.getLogger(__name__)


class Health(BaseModel):
    status: str = Field(examples=["ok"])


class Readiness(Health):
    checks: dict[str, str] = Field(examples=[{"database": "ok", "cache": "ok"}])


@router.get("/healthz", dependencies=[public("a load balancer asks")])
async def live() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get(
    "/readyz",
    dependencies=[public("a load balancer asks")],
    responses={503: {"model": Readiness, "description": "A store does not answer."}},
)
async def ready(deps: Wired, response: Response) -> Readiness:
    """The stores answer, each within two seconds."""
    answers = await asyncio.gather(*(_check(name, probe) for name, probe in deps.probes.items()))
    checks = dict(zip(deps.probes, answers, strict=True))
    healthy = all(answer == "ok" for answer in answers)
    if not healthy:
        response.status_code = 503
    return Readiness(status="ok" if healthy else "unavailable", checks=checks)


async def _check(name: str, probe: Probe) -> str:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await probe()
    except Exception:  # whatever a store's client raises, the answer is that it is not ready
        log.warning("a store does not answer", extra={"store": name}, exc_info=True)
        return "failed"
    return "ok"
