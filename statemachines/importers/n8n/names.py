"""Ids and names out of n8n's free texts."""

import re
import unicodedata

from shared.workflow.definition import RESERVED_IDS
from shared.workflow.expressions import HOST_FUNCTIONS
from statemachines.compiler.reads import JSONATA_FUNCTIONS

LOCALS = frozenset({"json", "pos", "left", "right", "key", "row", "other", "all", "found"})
"""Variables that translated expressions bind."""

_TAKEN = RESERVED_IDS | JSONATA_FUNCTIONS | HOST_FUNCTIONS | LOCALS | {"and", "or", "in", "true", "false", "null"}
_MAX_ID = 48
_MAX_NAME = 64


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


def slug(text: str, otherwise: str = "workflow") -> str:
    """A workflow's or a connection's name: `Support Triage 🚑` becomes `support-triage`."""
    return re.sub(r"[^a-z0-9]+", "-", _ascii(text)).strip("-")[:_MAX_NAME].strip("-") or otherwise


class Ids:
    """Ids that are JSONata names, differ from one another and hide nothing."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def make(self, text: str) -> str:
        """An id that is like `text`: `Edit Fields (2)` becomes `edit_fields_2`."""
        base = re.sub(r"[^a-z0-9]+", "_", _ascii(text)).strip("_")[:_MAX_ID].strip("_") or "node"
        if not base[0].isalpha():
            base = f"n_{base}"
        found, number = base, 2
        while found in self._used or found in _TAKEN:
            found, number = f"{base}_{number}", number + 1
        self._used.add(found)
        return found

    def __contains__(self, name: str) -> bool:
        return name in self._used or name in _TAKEN
