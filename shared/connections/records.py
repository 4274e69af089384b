"""Stored connections: named credentials of a project."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Connection:
    """`public` is what may be shown of the credentials; `sealed` is all of it, as ciphertext."""

    id: str
    project_id: str
    name: str
    kind: str
    public: dict[str, Any]
    sealed: bytes
    created_at: datetime
    updated_at: datetime
