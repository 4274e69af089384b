"""Tracing of models' and tools' calls with Langfuse.

Source: https://langfuse.com/docs/observability/sdk/overview

All calls of one execution are one trace, whose id comes from the execution's; the workflow's version stands for that of
its prompts, which are part of it. The SDK sends from threads of its own, in batches, and only logs what it cannot send.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from langfuse import Langfuse, propagate_attributes
from opentelemetry.sdk.trace import TracerProvider

from shared.connections.redaction import scrubbed
from shared.ports import Observation, Tracing
from shared.settings import Settings
from shared.workflow.node_call import NodeCall


class LangfuseTracing(Tracing):
    """One client, for all projects of an installation."""

    def __init__(self, settings: Settings) -> None:
        """`settings` have both keys."""
        assert settings.langfuse_secret_key is not None  # noqa: S101 - for the type checker
        self._langfuse = Langfuse(
            public_key=settings.langfuse_public_key,
            secret_key=settings.langfuse_secret_key.get_secret_value(),
            base_url=settings.langfuse_base_url,
            environment=settings.stage,
            tracer_provider=TracerProvider(),  # not the process's own, which others may listen to
            mask=_masked,
        )

    @contextmanager
    def observe(self, kind: Literal["model", "tool"], call: NodeCall, name: str, given: Any) -> Iterator[Observation]:
        """Latency is that of the block. Inputs and outputs are scrubbed of the secrets of this call."""
        seen, execution = Observation(), call.execution
        about = {
            "execution_id": execution.id,
            "project_id": execution.project_id,
            "workflow_id": execution.workflow_id,
            "correlation_id": execution.correlation_id,
        }
        traces = propagate_attributes(
            trace_name=execution.workflow,
            version=str(execution.version),
            session_id=execution.correlation_id,
            metadata=about,
        )
        with traces, self._begun(kind, call, name, given) as observed:
            try:
                yield seen
            except BaseException as error:
                observed.update(level="ERROR", status_message=scrubbed(str(error)) or type(error).__name__)
                raise
            finally:
                observed.update(output=seen.output, **_taken(seen))

    def _begun(self, kind: Literal["model", "tool"], call: NodeCall, name: str, given: Any) -> Any:
        prompt = f"{call.execution.workflow}@{call.execution.version}"
        place = {"node": call.node, "iteration": call.iteration, "step": call.step, "attempt": call.attempt}
        return self._langfuse.start_as_current_observation(
            trace_context={"trace_id": Langfuse.create_trace_id(seed=call.execution.id)},
            as_type="generation" if kind == "model" else "tool",  # type: ignore[call-overload] # one overload a type
            name=f"{call.node}: {name}",
            input=given,
            metadata={**place, "prompt_version": prompt},
        )

    def flush(self) -> None:
        self._langfuse.flush()

    def close(self) -> None:
        self._langfuse.shutdown()


def tracing(settings: Settings) -> LangfuseTracing | None:
    """None where the operator set no keys: then nothing is sent anywhere."""
    if settings.langfuse_public_key is None or settings.langfuse_secret_key is None:
        return None
    return LangfuseTracing(settings)


def _masked(*, data: Any, **_: Any) -> Any:
    return scrubbed(data)


def _taken(seen: Observation) -> dict[str, Any]:
    if seen.model is None:
        return {}
    cost = {} if seen.cost_usd is None else {"cost_details": {"total": seen.cost_usd}}
    return {"model": seen.model, "usage_details": seen.usage, **cost}
