"""The conversation of an agent's loop: what the next request to the model says.

It is not in the state machine's data, which would carry it from state to state and into the history again and again:
each finished turn keeps the messages that it added, and turn n reads those of the turns before it.
"""

from typing import Any

import orjson
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from shared.workflow.node_call import ToolResult


def first_request(prompt: str, instructions: str) -> ModelRequest:
    """What a run begins with."""
    return ModelRequest(parts=[UserPromptPart(prompt)], instructions=instructions or None)


def next_request(before: ModelResponse, results: list[ToolResult], mistakes: str, instructions: str) -> ModelRequest:
    """What follows the model's last answer: the results of the calls that it asked for, or what was wrong with it."""
    by_id = {result.id: result for result in results}
    parts: list[ModelRequestPart] = [
        _told(part, by_id.get(part.tool_call_id), mistakes) for part in before.parts if isinstance(part, ToolCallPart)
    ]
    return ModelRequest(parts=parts or [UserPromptPart(mistakes)], instructions=instructions or None)


def _told(call: ToolCallPart, result: ToolResult | None, mistakes: str) -> ModelRequestPart:
    if result is None:
        said = mistakes or "This was not called."
        return ToolReturnPart(call.tool_name, said, tool_call_id=call.tool_call_id, outcome="retried")
    content = result.output if result.error is None else {"error": result.error}
    return ToolReturnPart(call.tool_name, content, tool_call_id=call.tool_call_id)


def as_json(messages: list[ModelMessage]) -> list[Any]:
    """Messages as a store keeps them."""
    dumped: list[Any] = orjson.loads(ModelMessagesTypeAdapter.dump_json(messages))
    return dumped


def from_json(messages: list[Any]) -> list[ModelMessage]:
    """What `as_json` gave."""
    return ModelMessagesTypeAdapter.validate_python(messages)
