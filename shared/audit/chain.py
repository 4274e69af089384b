"""The chain of the audit log: each entry's hash covers the entry and the hash of the one before.

Whoever changes, removes or inserts an entry has to rewrite every later one, which whoever noted an earlier head sees.
The database computes the hash as PostgreSQL writes `jsonb` (functions/migrate/auditing.py), this module as `json` does;
a test holds the two together.
"""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

from shared.audit.records import Entry, Head
from shared.clock import iso


@dataclass(frozen=True, slots=True)
class Broken:
    """The first place where the chain does not hold. `seq`: the entry's number."""

    seq: int
    reason: str


def hash_of(entry: Entry) -> str:
    """What the entry's hash must be, in hexadecimal."""
    fields = [
        entry.project_id,
        str(entry.seq),
        iso(entry.at),
        entry.actor_kind,
        entry.actor_id,
        entry.address,
        entry.correlation_id,
        entry.action,
        entry.target_kind,
        entry.target_id,
        entry.target_name,
        entry.detail,
        entry.before,
        entry.after,
        entry.previous,
    ]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()


async def verify(entries: AsyncIterator[Entry], head: Head, noted: tuple[int, str] | None = None) -> Broken | None:
    """The first place that does not hold, or None.

    Args:
        entries: the whole chain, oldest first.
        head: where the store says that it begins and ends, read before the entries: later ones may follow.
        noted: number and hash of an entry, as an earlier verification gave them.
    """
    seq, last = head.pruned_seq, head.pruned_hash
    if noted is not None and noted[0] == seq and noted[1] != last:
        return Broken(seq, "its hash is not the one that was noted")
    async for entry in entries:
        if broken := _follows(entry, seq, last):
            return broken
        seq, last = entry.seq, entry.hash
        if (seq == head.seq and last != head.hash) or (noted is not None and seq == noted[0] and last != noted[1]):
            return Broken(seq, "its hash is not the one that was noted")
    expected = max(head.seq, noted[0] if noted is not None else 0)
    return Broken(seq + 1, f"the entries up to {expected} are missing") if seq < expected else None


def _follows(entry: Entry, seq: int, last: str) -> Broken | None:
    if entry.seq != seq + 1:
        return Broken(seq + 1, f"the entry is missing; {entry.seq} comes next")
    if entry.previous != last:
        return Broken(entry.seq, "it does not follow the entry before: one of the two was changed")
    if entry.hash != hash_of(entry):
        return Broken(entry.seq, "its content was changed")
    return None
