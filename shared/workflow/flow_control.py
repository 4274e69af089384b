"""Settings of flow control: what becomes of the arrivals that start a workflow. shared/executions/flow.py does it."""

from typing import Annotated, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from shared.workflow.pagination import Model

MAX_PERIOD_SECONDS = 86_400


def _of_input(text: str) -> str:
    from shared.workflow.expressions import ExpressionError, compiled, source_of  # noqa: PLC0415 - see import budgets

    source = source_of(text)
    if source is None:
        raise ValueError(f"'{text}' is not an expression. Write one such as '{{% $input.customer %}}'.")
    try:
        unknown = compiled(source).variables() - {"input"}
    except ExpressionError as error:
        raise ValueError(f"the expression does not compile: {error.message}") from None
    if unknown:
        raise ValueError(f"the expression reads ${', $'.join(sorted(unknown))}; it may read $input")
    return text


OfInput: TypeAlias = Annotated[str, AfterValidator(_of_input)]
"""An expression over `$input`."""

Period: TypeAlias = Annotated[int, Field(ge=1, le=MAX_PERIOD_SECONDS)]


class Concurrency(Model):
    """At most so many executions of one key at once; the others wait, in their order."""

    limit: int = Field(ge=1, le=1_000)


class Throttle(Model):
    """At most so many executions of one key begin within any period of this length; the others wait, in their order."""

    limit: int = Field(ge=1, le=10_000)
    period_seconds: Period


class RateLimit(Model):
    """At most so many arrivals of one key are taken within any period of this length; the others are refused."""

    limit: int = Field(ge=1, le=10_000)
    period_seconds: Period


class Debounce(Model):
    """Of arrivals that follow one another within the period only the last starts an execution, once it is quiet."""

    period_seconds: Period
    max_wait_seconds: Period | None = Field(
        default=None, description="After the first of them it starts at the latest, even where it never gets quiet."
    )


class Batch(Model):
    """Several arrivals start one execution, whose input is `{items: [the inputs, in order]}`."""

    max_size: int = Field(ge=2, le=1_000)
    max_wait_seconds: Period = Field(description="After the first of them it starts at the latest, full or not.")


class FlowControl(Model):
    """How arrivals become executions. Each `key` flows by itself; without one there is one flow."""

    key: OfInput | None = Field(default=None, examples=["{% $input.customer %}"])
    concurrency: Concurrency | None = None
    throttle: Throttle | None = None
    rate_limit: RateLimit | None = None
    debounce: Debounce | None = None
    batch: Batch | None = None
    priority: OfInput | None = Field(
        default=None, description="Gives 'low', 'normal' or 'high'.", examples=["{% $input.vip ? 'high' : 'normal' %}"]
    )
    idempotency_key: OfInput | None = Field(
        default=None,
        description="Arrivals that give the same text start one execution.",
        examples=["{% $input.order_id %}"],
    )

    @model_validator(mode="after")
    def _one_hold(self) -> Self:
        if self.debounce is not None and self.batch is not None:
            raise ValueError("give one of 'debounce' and 'batch': the one keeps the last arrival, the other all")
        return self
