"""Circuits on Redis or Valkey, by scripts: each decision is one step on the server, by the server's clock.

A hash for each destination that failed lately (`failures` in a row, `open_until`, `probe_until`, how often it
`opened`), and a set of their names for each project. Times are in milliseconds. Keys that nobody uses go.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import RedisError

from shared.adapters.redis.client import Client
from shared.errors import StoreUnavailable
from shared.ports import Circuit, Circuits, CircuitState, Permit

PREFIX = "millrace:circuit:"

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 0.5
"""A server that is slower than this is as good as none: the request is not kept waiting for its breaker."""

_NOW = "local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

_ASK = (
    _NOW
    + """
local open_until = tonumber(redis.call('HGET', KEYS[1], 'open_until') or '0')
if open_until == 0 then return {0, 0} end
local probe_until = tonumber(redis.call('HGET', KEYS[1], 'probe_until') or '0')
local free_at = math.max(open_until, probe_until)
if now < free_at then return {free_at - now, 0} end
redis.call('HSET', KEYS[1], 'probe_until', now + ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {0, 1}
"""
)

_FAILED = (
    _NOW
    + """
local probe, threshold, cooldown, longest, memory = ARGV[2] == '1', tonumber(ARGV[3]), tonumber(ARGV[4]),
  tonumber(ARGV[5]), tonumber(ARGV[6])
local is_open = redis.call('HEXISTS', KEYS[1], 'open_until') == 1
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[2], memory + longest)
if (is_open and probe) or (not is_open and failures >= threshold) then
  local opened = redis.call('HINCRBY', KEYS[1], 'opened', 1)
  local pause = math.min(longest, cooldown * 2 ^ math.min(opened - 1, 20))
  redis.call('HSET', KEYS[1], 'open_until', now + pause)
  redis.call('HDEL', KEYS[1], 'probe_until')
end
redis.call('PEXPIRE', KEYS[1], memory + longest)
return failures
"""
)

_SUCCEEDED = """
if ARGV[2] == '1' or redis.call('HEXISTS', KEYS[1], 'open_until') == 0 then
  redis.call('SREM', KEYS[2], ARGV[1])
  return redis.call('DEL', KEYS[1])
end
return 0
"""


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """When a circuit opens, and for how long: the pause doubles with each probe that fails."""

    threshold: int = 8
    """Failures in a row."""
    cooldown_seconds: float = 15.0
    longest_seconds: float = 300.0
    probe_seconds: float = 90.0
    """A probe that says nothing for so long is given up, and another request becomes it."""
    memory_seconds: float = 60.0
    """Failures that are further apart than this are not in a row."""


class RedisCircuits(Circuits):
    """One breaker for each project and destination, seen alike by every process."""

    def __init__(self, redis: Client, rule: BreakerRule | None = None) -> None:
        self._redis: Any = redis  # its methods are typed for both, the synchronous and the asynchronous client
        self._rule = rule or BreakerRule()
        self._ask = redis.register_script(_ASK)
        self._failed = redis.register_script(_FAILED)
        self._succeeded = redis.register_script(_SUCCEEDED)
        self._down = False

    async def ask(self, project_id: str, destination: str) -> Permit:
        """Whether a request may go out; it may where the server does not answer."""
        rule = self._rule
        keep = rule.probe_seconds + rule.memory_seconds + rule.longest_seconds
        arguments: list[str | int] = [_ms(rule.probe_seconds), _ms(keep)]
        found = await self._quietly(self._ask(keys=_keys(project_id, destination)[:1], args=arguments))
        return Permit() if found is None else Permit(found[0] / 1000, bool(found[1]))

    async def succeeded(self, project_id: str, destination: str, permit: Permit) -> None:
        """Closes it, where the request was the probe; an earlier request that comes home late does not."""
        arguments: list[str | int] = [destination, int(permit.probe)]
        await self._quietly(self._succeeded(keys=_keys(project_id, destination), args=arguments))

    async def failed(self, project_id: str, destination: str, permit: Permit) -> None:
        """Counts; opens it at the threshold, or again where the request was the probe."""
        rule = self._rule
        times = (rule.cooldown_seconds, rule.longest_seconds, rule.memory_seconds)
        arguments: list[str | int] = [destination, int(permit.probe), rule.threshold, *(_ms(each) for each in times)]
        await self._quietly(self._failed(keys=_keys(project_id, destination), args=arguments))

    async def released(self, project_id: str, destination: str, permit: Permit) -> None:
        """Lets another request be the probe."""
        if permit.probe:
            await self._quietly(self._redis.hdel(_keys(project_id, destination)[0], "probe_until"))

    async def list(self, project_id: str) -> Sequence[Circuit]:
        """Destinations with failures, by name. Raises StoreUnavailable."""
        async with self._reachable():
            names = sorted(name.decode() for name in await self._redis.smembers(_index(project_id)))
            seconds, microseconds = await self._redis.time()
            found = [await self._redis.hgetall(_keys(project_id, name)[0]) for name in names]
        now = seconds * 1000 + microseconds / 1000
        return [_circuit(name, each, now) for name, each in zip(names, found, strict=True) if each]

    async def reset(self, project_id: str, destination: str) -> bool:
        """Closes the circuit; False where the destination has no failures. Raises StoreUnavailable."""
        async with self._reachable():
            closed: int = await self._succeeded(keys=_keys(project_id, destination), args=[destination, 1])
        return bool(closed)

    async def _quietly(self, answer: Awaitable[Any]) -> Any:
        """None where the server does not answer; said once, until it does again."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                found = await answer
        except (RedisError, OSError, TimeoutError) as error:
            if not self._down:
                log.warning("circuit breakers are off", extra={"reason": type(error).__name__})
            self._down = True
            return None
        self._down = False
        return found

    @asynccontextmanager
    async def _reachable(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS * 4):
                yield
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(
                f"The cache that keeps circuit breakers does not answer ({type(error).__name__}); until it does, every "
                "circuit is closed."
            ) from None


def _circuit(destination: str, found: dict[bytes, bytes], now: float) -> Circuit:
    open_until, probe_until = float(found.get(b"open_until", 0)), float(found.get(b"probe_until", 0))
    failures = int(found.get(b"failures", 0))
    if not open_until:
        return Circuit(destination, CircuitState.CLOSED, failures)
    state = CircuitState.OPEN if now < open_until else CircuitState.HALF_OPEN
    return Circuit(destination, state, failures, datetime.fromtimestamp(max(open_until, probe_until) / 1000, UTC))


def _keys(project_id: str, destination: str) -> list[str]:
    """Both in one slot of a cluster."""
    return [f"{PREFIX}{{{project_id}}}:{destination}", _index(project_id)]


def _index(project_id: str) -> str:
    return f"{PREFIX}{{{project_id}}}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
