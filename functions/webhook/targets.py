"""Finding a webhook while the database is away.

Terms:
  fresh  the database said so at most FRESH ago: what changes in a webhook is seen within that time
  stale  older, and at most STALE: it serves where the database does not answer, and only then

Stale targets are remembered in this process and, sealed, in the cache that all processes share. What the database says
is gone is forgotten in both.
"""

import asyncio
import base64
import logging
from collections import OrderedDict
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from shared.clock import Clock
from shared.errors import ConfigInvalid, StoreUnavailable
from shared.ports import SecretBox
from shared.ports.ingest import IngestCache, WebhookTargets
from shared.triggers.records import WebhookRegistration, WebhookTarget

FRESH = timedelta(seconds=10)
STALE = timedelta(hours=24)
AWAY = timedelta(seconds=5)
"""How long a database that did not answer is not asked again about a webhook that is known."""
PATIENCE_SECONDS = 3.0
"""How long the database may take to answer."""
MOST = 1_000
"""Webhooks that one process remembers; those that were used longest ago go first."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    target: WebhookTarget
    confirmed_at: datetime
    asked_at: datetime
    """When the database was last asked, with or without an answer."""


class CachedTargets(WebhookTargets):
    """The targets of `store`, and what is known of them while it does not answer."""

    def __init__(self, store: WebhookTargets, cache: IngestCache, box: SecretBox, clock: Clock) -> None:
        self._store, self._cache, self._box, self._clock = store, cache, box, clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def target(self, path: str) -> WebhookTarget | None:
        """Fresh where the database answers, else stale. Raises StoreUnavailable where neither is to be had."""
        now, known = self._clock.now(), self._known.get(path)
        if known is not None and _serves(known, now):
            return known.target
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                found = await self._store.target(path)
        except (StoreUnavailable, TimeoutError) as error:
            return await self._stale(path, known, now, error)
        await self._confirmed(path, found, now)
        return found

    async def _confirmed(self, path: str, found: WebhookTarget | None, now: datetime) -> None:
        had = self._known.pop(path, None)
        if found is not None:
            self._remember(path, _Known(found, now, now))
            sealed = self._box.encrypt(_written(found, now))
            await self._cache.keep(path, sealed, int(STALE.total_seconds()))
        elif had is not None:
            await self._cache.keep(path, None, 0)

    async def _stale(self, path: str, known: _Known | None, now: datetime, error: Exception) -> WebhookTarget:
        if known is None or now - known.confirmed_at > STALE:
            known = await self._kept(path)
        if known is None or now - known.confirmed_at > STALE:
            raise StoreUnavailable("The database does not answer, and this webhook is not known here. Send it again.")
        log.warning("a webhook is served from memory", extra={"reason": str(error) or type(error).__name__})
        self._remember(path, _Known(known.target, known.confirmed_at, now))
        return known.target

    async def _kept(self, path: str) -> _Known | None:
        sealed = await self._cache.kept(path)
        if sealed is None:
            return None
        try:
            document = orjson.loads(self._box.decrypt(sealed))
        except (ConfigInvalid, ValueError):
            log.warning("what the cache holds of a webhook was not sealed here")
            return None
        at = datetime.fromisoformat(document["confirmed_at"])
        return _Known(_read(document["target"]), at, at)

    def _remember(self, path: str, known: _Known) -> None:
        self._known[path] = known
        self._known.move_to_end(path)
        if len(self._known) > MOST:
            self._known.popitem(last=False)


def _serves(known: _Known, now: datetime) -> bool:
    """Without asking: it is fresh, or the database was away a moment ago."""
    if known.asked_at == known.confirmed_at:
        return now - known.confirmed_at <= FRESH
    return now - known.asked_at <= AWAY and now - known.confirmed_at <= STALE


def _written(target: WebhookTarget, now: datetime) -> str:
    fields = asdict(target)
    secret = target.registration.secret
    fields["registration"]["secret"] = None if secret is None else base64.b64encode(secret).decode()
    return orjson.dumps({"target": fields, "confirmed_at": now}).decode()


def _read(fields: dict[str, Any]) -> WebhookTarget:
    registration = dict(fields["registration"])
    secret = registration["secret"]
    registration["secret"] = None if secret is None else base64.b64decode(secret)
    registration["created_at"] = datetime.fromisoformat(registration["created_at"])
    return WebhookTarget(**{**fields, "registration": WebhookRegistration(**registration)})
