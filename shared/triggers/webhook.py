"""The webhook trigger: what its config may say, how a delivery proves where it comes from, and what it hands on."""

import hashlib
import hmac
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.errors import SignatureInvalid

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
_PATH = re.compile(r"^[A-Za-z0-9_-]{1,128}\Z")
Path: TypeAlias = Annotated[str, StringConstraints(pattern=_PATH)]
HeaderName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")]

METHODS: list[str] = list(get_args(Method))
MAX_DELIVERY_ID = 200

_CREDENTIALS = frozenset({"authorization", "proxy-authorization", "cookie"})
_CREDENTIAL_WORDS = ("signature", "secret", "token", "password", "api-key", "apikey")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NoVerification(_Model):
    """Nothing is proved: whoever knows the path may start the workflow; a minted path cannot be guessed."""

    scheme: Literal["none"] = "none"


class GitHubVerification(_Model):
    """HMAC-SHA256 of the body, hex, as `sha256=…` in X-Hub-Signature-256.

    Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """

    scheme: Literal["github"]


class HmacVerification(_Model):
    """An HMAC of the raw body under the trigger's secret, in a header, after a fixed prefix."""

    scheme: Literal["hmac"]
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    header: HeaderName = "X-Signature"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = Field(default="", max_length=32, description="What comes before the digest, such as `sha256=`.")


Verification: TypeAlias = Annotated[
    NoVerification | GitHubVerification | HmacVerification, Field(discriminator="scheme")
]

_GITHUB = HmacVerification(scheme="hmac", header="X-Hub-Signature-256", prefix="sha256=")
_GITHUB_DELIVERY = "X-GitHub-Delivery"


class WebhookTriggerConfig(_Model):
    """Config of a trigger of type `webhook`. The signing secret is not part of it; it is kept encrypted."""

    path: Path | None = Field(
        default=None, description="The last part of the URL; an unguessable one is minted if absent."
    )
    methods: list[Method] = Field(default=["POST"], min_length=1, max_length=5)
    verification: Verification = Field(default_factory=NoVerification)
    delivery_id_header: HeaderName | None = Field(
        default=None,
        description="The header that names a delivery. The same delivery starts nothing twice. With the scheme"
        " `github`, X-GitHub-Delivery unless another is given.",
    )
    respond: Literal["accepted", "finished"] = Field(
        default="accepted",
        description="`accepted`: 202 with the execution's id at once. `finished`: 200 with its output once it has"
        " succeeded, 502 once it has failed, 202 if it takes longer than `respond_within_seconds`.",
    )
    respond_within_seconds: int = Field(default=25, ge=1, le=28)

    @property
    def needs_secret(self) -> bool:
        """Whether deliveries are signed."""
        return not isinstance(self.verification, NoVerification)

    def delivery_id(self, headers: Mapping[str, str]) -> str | None:
        """The sender's id of this delivery, where its header is known and present; a long one as its digest.

        `headers` ignore case.
        """
        github = isinstance(self.verification, GitHubVerification)
        name = self.delivery_id_header or (_GITHUB_DELIVERY if github else None)
        given = headers.get(name, "") if name else ""
        if len(given) > MAX_DELIVERY_ID:
            return f"sha256:{hashlib.sha256(given.encode()).hexdigest()}"
        return given or None


def is_path(text: str) -> bool:
    """Whether a webhook can be registered at `text`, and so whether it is worth a look in the store."""
    return _PATH.fullmatch(text) is not None


def verify(verification: Verification, secret: str | None, body: bytes, headers: Mapping[str, str]) -> None:
    """Raises SignatureInvalid unless the delivery proves that its sender knows `secret`. `headers` ignore case.

    Compares in constant time, and says no more than which header was looked at.
    """
    if isinstance(verification, NoVerification):
        return
    rule = _GITHUB if isinstance(verification, GitHubVerification) else verification
    given = headers.get(rule.header)
    if given is None:
        raise SignatureInvalid(
            f"The delivery is not signed: the header {rule.header} is missing. Send the signature in it."
        )
    expected = hmac.digest((secret or "").encode(), body, rule.algorithm)
    if not secret or not hmac.compare_digest(expected, _decoded(rule, given)):
        raise SignatureInvalid(
            f"The signature in {rule.header} does not match the body. "
            f"It must be '{rule.prefix}' and the {rule.encoding} HMAC-{rule.algorithm.upper()} of the raw body under "
            "the secret of this webhook; set the same secret on both sides, and sign the exact bytes that are sent."
        )


def _decoded(rule: HmacVerification, given: str) -> bytes:
    """The digest in the header, or nothing where it is not in the scheme's form."""
    if not given.startswith(rule.prefix):
        return b""
    text = given[len(rule.prefix) :].strip()
    try:
        return bytes.fromhex(text) if rule.encoding == "hex" else b64decode(text, validate=True)
    except ValueError:
        return b""


def webhook_input(
    verification: Verification,
    *,
    method: str,
    headers: Iterable[tuple[str, str]],
    query: Iterable[tuple[str, str]],
    body: Any,
) -> dict[str, Any]:
    """The workflow's input for a delivery: `{"body", "headers", "query", "method"}`.

    Header names are in lower case; credentials (Authorization, cookies, signatures, tokens) are left out, because the
    input is kept and shown. What comes several times: headers are joined by `, `, query parameters become a list.
    """
    signature = verification.header.lower() if isinstance(verification, HmacVerification) else None
    kept: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        if key != signature and not is_credential(key):
            kept[key] = f"{kept[key]}, {value}" if key in kept else value
    return {"body": body, "headers": kept, "query": grouped(query), "method": method}


def is_credential(header: str) -> bool:
    """Whether a header (in lower case) may hold something that must not be kept."""
    return header in _CREDENTIALS or any(word in header for word in _CREDENTIAL_WORDS)


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, str | list[str]]:
    """Pairs as an object; a name that comes several times has a list."""
    result: dict[str, str | list[str]] = {}
    for name, value in pairs:
        had = result.get(name)
        if had is None:
            result[name] = value
        else:
            result[name] = [*had, value] if isinstance(had, list) else [had, value]
    return result
