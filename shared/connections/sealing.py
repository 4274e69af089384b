"""Credentials and grants as a store keeps them: what may be shown, and ciphertext."""

from dataclasses import asdict
from typing import Any

import orjson

from shared.connections.kinds import Credentials, credentials_of, public, revealed
from shared.connections.records import Connection, Grant
from shared.ports import SecretBox


def sealed(box: SecretBox, credentials: Credentials) -> dict[str, Any]:
    """The fields of a Connection that hold its credentials: kind, public, sealed."""
    ciphertext = box.encrypt(orjson.dumps(revealed(credentials)).decode())
    return {"kind": credentials.kind, "public": public(credentials), "sealed": ciphertext}


def opened(box: SecretBox, connection: Connection) -> Credentials:
    """The credentials of a stored connection. Raises ConfigInvalid where no key fits."""
    return credentials_of(orjson.loads(box.decrypt(connection.sealed)))


def sealed_grant(box: SecretBox, grant: Grant) -> bytes:
    """The grant as ciphertext."""
    return box.encrypt(orjson.dumps(asdict(grant)).decode())


def opened_grant(box: SecretBox, ciphertext: bytes) -> Grant:
    """What `sealed_grant` was given. Raises ConfigInvalid where no key fits."""
    return Grant(**orjson.loads(box.decrypt(ciphertext)))
