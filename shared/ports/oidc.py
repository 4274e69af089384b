"""Providers of OpenID Connect."""

from collections.abc import Sequence
from typing import Protocol

from shared.identity.oidc import Asked, Person


class OidcProviders(Protocol):
    """The providers that are configured."""

    @property
    def names(self) -> Sequence[str]: ...

    async def authorize_url(self, asked: Asked, state: str) -> str:
        """Where the browser goes. Raises NotFound for an unknown one, StoreUnavailable where it does not answer."""

    async def person(self, asked: Asked, code: str) -> Person:
        """Whom the provider vouches for. Raises Unauthenticated for anything that is not exactly right."""
