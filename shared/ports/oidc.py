"""Providers of OpenID Connect."""

from collections.abc import Sequence
from typing import Protocol

from shared.errors import NotFound
from shared.identity.oidc import Asked, Person


class OidcProviders(Protocol):
    """The providers that are configured."""

    @property
    def names(self) -> Sequence[str]: ...

    async def authorize_url(self, asked: Asked, state: str) -> str:
        """Where the browser goes. Raises NotFound for an unknown one, StoreUnavailable where it does not answer."""

    async def person(self, asked: Asked, code: str) -> Person:
        """Whom the provider vouches for. Raises Unauthenticated for anything that is not exactly right."""


class NoProviders(OidcProviders):
    """Where none is configured."""

    @property
    def names(self) -> Sequence[str]:
        return ()

    async def authorize_url(self, asked: Asked, state: str) -> str:  # noqa: ARG002 - the port's
        """Raises NotFound."""
        raise _not_found(asked)

    async def person(self, asked: Asked, code: str) -> Person:  # noqa: ARG002 - the port's
        """Raises NotFound."""
        raise _not_found(asked)


def _not_found(asked: Asked) -> NotFound:
    return NotFound(f"There is no sign-in provider '{asked.provider[:64]}'. Allowed: none; set MILLRACE_OIDC.")
