"""Stored connections: named credentials of a project."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Connection:
    """`public` is what may be shown of the credentials; `sealed` is all of it, as ciphertext; `grant` is the
    authorisation that waits to be redeemed by whoever uses the connection next: `Grant` as ciphertext."""

    id: str
    project_id: str
    name: str
    kind: str
    public: dict[str, Any]
    sealed: bytes
    created_at: datetime
    updated_at: datetime
    grant: bytes | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person's agreement gave: a code for tokens, once, with the verifier of PKCE and the address it came to.

    Source: RFC 6749, 4.1.3; RFC 7636, 4.5
    """

    code: str
    verifier: str
    redirect_uri: str
