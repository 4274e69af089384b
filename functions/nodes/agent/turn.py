"""A turn of the agent on pydantic-ai: the model, the question, the check of the answer, and failures as NodeErrors."""

from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, SchemaError
from pydantic_ai import Agent, ModelRetry, StructuredDict, UsageLimits
from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRequestRejectedError,
    UnexpectedModelBehavior,
    UserError,
)
from pydantic_ai.messages import ModelResponse
from pydantic_ai.settings import ModelSettings

from functions.nodes.agent.asking.providers import build
from functions.nodes.agent.asking.spending import cost_of, usage_of
from functions.nodes.agent.asking.traced import traced
from functions.nodes.agent.core import prompt_text
from functions.nodes.agent.demo import NOTE
from shared.errors import ModelRefused, ModelUnavailable, NodeConfigInvalid, NodeError, OutputInvalid
from shared.workflow.definition import AgentConfig
from shared.workflow.node_call import NodeCall

if TYPE_CHECKING:
    from functions.nodes.agent.core import AgentDeps

__all__ = ["NOTE", "ask"]

REPAIR_TURNS = 2
_WRAPPED = "value"
_REJECTED = range(400, 500)
_TRY_AGAIN = frozenset({408, 409, 425, 429})


class Answer:
    """Checks answers against the schema, and remembers what was wrong with the last one.

    A model's structured answer is an object; a schema of another type is wrapped in one with the single property
    `value`, and unwrapped again.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self.mistakes: list[str] = []
        self._wrap = schema.get("type") != "object" and "properties" not in schema
        self.schema = self._wrapped(schema) if self._wrap else {"type": "object", **schema}
        try:
            Draft202012Validator.check_schema(self.schema)
            self.type = StructuredDict(self.schema, name=schema.get("title"))
        except (SchemaError, UserError) as error:
            where = f" at {error.json_path}" if isinstance(error, SchemaError) else ""
            raise NodeConfigInvalid(f"The output_schema can not be used: {error.message}{where}") from None
        self._validator = Draft202012Validator(self.schema)

    def check(self, answer: Any) -> Any:
        """Given to pydantic-ai; ModelRetry makes it ask the model again, with the mistakes."""
        self.mistakes = [f"{each.json_path}: {each.message}" for each in self._validator.iter_errors(answer)]
        if self.mistakes:
            raise ModelRetry("The answer does not match its JSON Schema. Correct this: " + "; ".join(self.mistakes))
        return answer

    def unwrap(self, answer: Any) -> Any:
        return answer[_WRAPPED] if self._wrap else answer

    @staticmethod
    def _wrapped(schema: dict[str, Any]) -> dict[str, Any]:
        inner = {key: value for key, value in schema.items() if key != "$defs"}
        outer = {"type": "object", "properties": {_WRAPPED: inner}, "required": [_WRAPPED]}
        return {**outer, "$defs": schema["$defs"]} if "$defs" in schema else outer


async def ask(name: str, config: AgentConfig, call: NodeCall, deps: "AgentDeps") -> tuple[Any, dict[str, Any]]:
    """The model's answer and what it took: `{model, usage, cost_usd?}`. Raises as `core.run` says."""
    answer = Answer(config.output_schema) if config.output_schema is not None else None
    repairs = min(REPAIR_TURNS, config.max_turns - 1)
    agent: Agent[None, Any] = Agent(
        output_type=answer.type if answer else str,
        instructions=config.instructions or None,
        retries={"output": repairs},
        model_settings=ModelSettings(timeout=deps.request_seconds, max_retries=0),
    )
    if answer:
        agent.output_validator(answer.check)
    try:
        model = traced(await build(name, deps), deps.tracing, call)
        result = await agent.run(
            prompt_text(config.prompt), model=model, usage_limits=UsageLimits(request_limit=repairs + 1)
        )
    except (AgentRunError, UserError) as error:
        raise translated(error, name, answer.mistakes if answer else []) from None
    output = answer.unwrap(result.output) if answer else result.output
    responses = [message for message in result.new_messages() if isinstance(message, ModelResponse)]
    return output, {"model": name, "usage": usage_of(responses), **cost_of(responses)}


def translated(error: AgentRunError | UserError, name: str, mistakes: list[str]) -> NodeError:
    """The NodeError for what pydantic-ai raised. Provider messages pass through; they hold no keys."""
    match error:
        case ModelQuotaExceededError() | ModelRequestRejectedError():
            return ModelRefused(f"The provider of '{name}' rejected the request: {_reason(error)}", model=name)
        case ModelHTTPError() if error.status_code in _REJECTED and error.status_code not in _TRY_AGAIN:
            return ModelRefused(f"The provider of '{name}' rejected the request: {_reason(error)}", model=name)
        case ModelAPIError():
            details = {"model": name, "retry_after": error.retry_after}
            return ModelUnavailable(f"The provider of '{name}' failed: {_reason(error)}", **details)
        case UnexpectedModelBehavior() if mistakes:
            problems = "; ".join(mistakes)
            message = f"The answer of '{name}' does not match output_schema, also after repair: {problems}"
            return OutputInvalid(message, model=name, errors=mistakes)
        case UnexpectedModelBehavior():
            return OutputInvalid(f"'{name}' gave no usable answer: {error.message}", model=name)
        case _:
            return ModelRefused(f"'{name}' can not be used: {error}", model=name)


def _reason(error: ModelAPIError) -> str:
    """The provider's own words, where it sent some."""
    body = error.body
    said = body.get("message") if isinstance(body, dict) else None
    status = f"HTTP {error.status_code}" if isinstance(error, ModelHTTPError) else ""
    return ": ".join(part for part in (status, str(said or "")) if part) or error.message
