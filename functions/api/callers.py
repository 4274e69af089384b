"""Where a request comes from."""

from starlette.datastructures import Headers
from starlette.types import Scope

from shared.triggers.callers import caller, networks


def address_of(scope: Scope, trusted_proxies: str) -> str | None:
    """The caller's address, behind our own proxies; None where it cannot be told."""
    trusted = networks(tuple(each.strip() for each in trusted_proxies.split(",") if each.strip()))
    peer = scope["client"][0] if scope.get("client") else None
    address = caller(peer, Headers(scope=scope).getlist("x-forwarded-for"), trusted)
    return str(address) if address is not None else None
