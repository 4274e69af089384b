"""Handshakes by which senders ask whether a URL is ours, before they send anything. None of them starts a workflow."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

MAX_CHALLENGE = 2_048


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MetaChallenge(_Model):
    """GET with hub.challenge, which is sent back where hub.verify_token is the right one.

    Source: https://developers.facebook.com/docs/graph-api/webhooks/getting-started#verification-requests
    """

    type: Literal["meta"]
    verify_token_sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the verify token, hex: the token itself is never kept."
    )


class MicrosoftGraphChallenge(_Model):
    """POST with validationToken, which is sent back as text.

    Source: https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks#notificationurl-validation
    """

    type: Literal["microsoft_graph"]


class ReachableChallenge(_Model):
    """HEAD, which some senders (Trello, Mailchimp) use to see whether the URL answers 200."""

    type: Literal["head"]


Challenge: TypeAlias = Annotated[
    MetaChallenge | MicrosoftGraphChallenge | ReachableChallenge, Field(discriminator="type")
]


@dataclass(frozen=True, slots=True)
class Echo:
    """The text that answers a handshake with 200; None where the handshake failed (403)."""

    text: str | None


def answer(challenge: Challenge | None, method: str, query: Mapping[str, str]) -> Echo | None:
    """What answers the request, or None where it is no handshake."""
    match challenge:
        case MetaChallenge(verify_token_sha256=expected) if method == "GET" and "hub.challenge" in query:
            digest = hashlib.sha256(query.get("hub.verify_token", "").encode()).hexdigest()
            right = hmac.compare_digest(digest, expected) and query.get("hub.mode") == "subscribe"
            return Echo(_short(query["hub.challenge"]) if right else None)
        case MicrosoftGraphChallenge() if method == "POST" and "validationToken" in query:
            return Echo(_short(query["validationToken"]))
        case ReachableChallenge() if method == "HEAD":
            return Echo("")
    return None


def slack_challenge(scheme: str, body: Any) -> str | None:
    """The challenge of Slack's url_verification, which is signed as every other delivery.

    Source: https://docs.slack.dev/reference/events/url_verification
    """
    if scheme != "slack" or not isinstance(body, dict) or body.get("type") != "url_verification":
        return None
    challenge = body.get("challenge")
    return _short(challenge) if isinstance(challenge, str) else None


def _short(text: str) -> str | None:
    return text if len(text) <= MAX_CHALLENGE else None
