"""Signed links by which somebody without an account decides one approval.

A link says whom it is for and until when, and is signed (HMAC-SHA256) together with the approval's id. Whoever has it
can decide as that person: send it to them alone. Opening it changes nothing, since mail programs open links by
themselves; the page that it shows sends the decision.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from shared.errors import Unauthenticated

VALID_FOR = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class ApprovalLinks:
    """Makes and checks links with one secret key."""

    key: bytes

    def path(self, approval_id: str, approver: str, now: datetime) -> str:
        """The path and query of a link that is valid for 14 days."""
        until = int((now + VALID_FOR).timestamp())
        query = {"for": approver, "until": until, "sign": self._sign(approval_id, approver, until)}
        return f"/approvals/{approval_id}?{urlencode(query)}"

    def check(self, approval_id: str, approver: str, until: int, sign: str, now: datetime) -> None:
        """Raises Unauthenticated where the link was changed, is for another approval, or is too old."""
        if not hmac.compare_digest(sign.encode(), self._sign(approval_id, approver, until).encode()):
            raise Unauthenticated("This link is not valid: it was changed, or cut short. Open it as it was sent.")
        if now > datetime.fromtimestamp(until, UTC):
            raise Unauthenticated("This link is too old. Ask for a new one.")

    def _sign(self, approval_id: str, approver: str, until: int) -> str:
        message = f"{approval_id}\n{until}\n{approver}".encode()
        return hmac.digest(self.key, message, hashlib.sha256).hex()
