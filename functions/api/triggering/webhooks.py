"""From what a caller asks for to a stored webhook trigger and its registration."""

from dataclasses import replace
from typing import Any

from pydantic import SecretStr, ValidationError

from functions.api.deps import Deps
from functions.api.models.triggers import CreateTrigger, UpdateTrigger
from shared.errors import InvalidParameter, NotImplementedYet
from shared.ids import new_id, new_webhook_path
from shared.ports import SecretBox
from shared.triggers.records import Trigger, TriggerType, WebhookRegistration
from shared.triggers.secrets import opened, sealed, with_new
from shared.triggers.signatures import check_secret
from shared.triggers.webhook import WebhookTriggerConfig


async def create(deps: Deps, workflow_id: str, wanted: CreateTrigger) -> Trigger:
    """Stores the trigger and registers its path, minted where none is chosen.

    Raises:
        NotImplementedYet: another type than `webhook`.
        InvalidParameter: the config has mistakes, or does not go with the secret.
        Conflict: the path is taken.
    """
    if wanted.type != TriggerType.WEBHOOK:
        raise NotImplementedYet(f"Triggers of type '{wanted.type}' are not built yet. Available: webhook.")
    config = _config({"path": new_webhook_path()} | _without_null(wanted.config))
    now = deps.clock.now()
    trigger = Trigger(
        id=new_id(),
        project_id=deps.project_id,
        workflow_id=workflow_id,
        type=wanted.type,
        config=_as_json(config),
        is_active=wanted.is_active,
        created_at=now,
        updated_at=now,
    )
    registration = WebhookRegistration(
        id=new_id(),
        project_id=deps.project_id,
        workflow_id=workflow_id,
        trigger_id=trigger.id,
        path=config.path or "",
        secret=_sealed(deps.secrets, config, wanted.secret, None, keep_previous=False),
        config=trigger.config,
        is_active=trigger.is_active,
        created_at=now,
    )
    await deps.triggers.create(trigger, registration)
    return trigger


async def update(deps: Deps, trigger: Trigger, wanted: UpdateTrigger) -> Trigger:
    """Stores what was given and leaves the rest as it is, the path and the secret included.

    Raises:
        InvalidParameter: the type differs, the config has mistakes, or it does not go with the secret.
        Conflict: the path is taken.
    """
    if wanted.type not in (None, trigger.type):
        raise InvalidParameter(
            f"A trigger's type cannot be changed from '{trigger.type}'. Delete it, and create another."
        )
    had = await deps.triggers.webhook_of(deps.project_id, trigger.id)
    if had is None:
        raise NotImplementedYet(f"Triggers of type '{trigger.type}' are not built yet. Available: webhook.")
    given = trigger.config if wanted.config is None else {"path": had.path} | _without_null(wanted.config)
    config = _config(given)
    changed = replace(
        trigger,
        config=_as_json(config),
        is_active=trigger.is_active if wanted.is_active is None else wanted.is_active,
        updated_at=deps.clock.now(),
    )
    registration = replace(
        had,
        path=config.path or had.path,
        secret=_sealed(deps.secrets, config, wanted.secret, had.secret, keep_previous=wanted.keep_previous_secret),
        config=changed.config,
        is_active=changed.is_active,
    )
    await deps.triggers.update(changed, registration)
    return changed


def _config(given: dict[str, Any]) -> WebhookTriggerConfig:
    try:
        config = WebhookTriggerConfig.model_validate(given)
    except ValidationError as error:
        mistakes = "; ".join(
            f"config.{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)
        )
        raise InvalidParameter(f"The webhook's config is not valid: {mistakes}.") from None
    try:
        config.check_expressions()
    except ValueError as error:
        raise InvalidParameter(f"The webhook's config is not valid: config.{error}.") from None
    return config


def _sealed(
    box: SecretBox, config: WebhookTriggerConfig, given: SecretStr | None, had: bytes | None, *, keep_previous: bool
) -> bytes | None:
    """Ciphertext of the secrets: with the new one, or those there were. A scheme without proof has none."""
    scheme = config.verification.scheme
    if not config.needs_secret:
        if given is not None:
            raise InvalidParameter(
                f"A secret is of no use with the verification scheme '{scheme}': nothing checks it. "
                "Choose a scheme that has one, such as 'github' or 'hmac', or leave the secret out."
            )
        return None
    secrets = opened(box, had)
    if given is not None:
        secrets = with_new(secrets if keep_previous else [], given.get_secret_value())
    if not secrets:
        raise InvalidParameter(f"The verification scheme '{scheme}' needs a secret. Send it as 'secret'.")
    for secret in secrets:
        check_secret(config.verification, secret)
    return had if given is None else sealed(box, secrets)


def _without_null(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if value is not None}


def _as_json(config: WebhookTriggerConfig) -> dict[str, Any]:
    """Without the members that are not set; a null inside of `transform` or `response` is one that the author wrote."""
    return _without_null(config.model_dump(mode="json"))
