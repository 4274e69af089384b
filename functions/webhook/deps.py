"""What the webhook receiver needs of the world."""

from dataclasses import dataclass

from shared.clock import Clock
from shared.ports import BlobStore, Completions, SecretBox, StartQueue
from shared.ports.ingest import WebhookTargets
from shared.ports.limits import RateLimits
from shared.ports.samples import WebhookSamples
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Deps:
    triggers: WebhookTargets
    queue: StartQueue
    completions: Completions
    secrets: SecretBox
    clock: Clock
    settings: Settings
    limits: RateLimits
    blobs: BlobStore
    samples: WebhookSamples


def from_environment() -> Deps:
    """The dependencies of the Lambda.

    Raises:
        ConfigInvalid: a setting is missing or wrong.
    """
    from functions.webhook.aws import wire  # noqa: PLC0415 - drivers, which handler.py preloads

    return wire()
