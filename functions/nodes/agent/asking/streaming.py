"""What a model says, told while it says it. Only words: the arguments of tools and a structured answer are not."""

import time
from collections.abc import Sequence

from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from shared.ports import AgentText, LiveFeed
from shared.workflow.node_call import NodeCall

_PAUSE_SECONDS = 0.05
"""Between two pieces; what a person reads as flowing, and few messages for a long answer."""


class Voice:
    """Tells what is said in one turn of an agent."""

    def __init__(self, feed: LiveFeed, call: NodeCall, turn: int) -> None:
        self._feed = feed
        self._call = call
        self._turn = turn

    async def request(
        self,
        model: Model,
        messages: Sequence[ModelMessage],
        *,
        model_settings: ModelSettings,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """As pydantic-ai's `model_request`. Text begins at 0 with each request, also with that to a fallback model."""
        offset, waiting, told_at = 0, "", 0.0
        async with model_request_stream(
            model, messages, model_settings=model_settings, model_request_parameters=model_request_parameters
        ) as stream:
            async for event in stream:
                waiting += _text_of(event)
                if waiting and time.monotonic() - told_at >= _PAUSE_SECONDS:
                    offset, waiting = await self._tell(offset, waiting), ""
                    told_at = time.monotonic()
        if waiting:
            await self._tell(offset, waiting)
        return stream.get()

    async def _tell(self, offset: int, text: str) -> int:
        said = AgentText(self._call.node, list(self._call.iteration), self._turn, offset, text)
        await self._feed.say(self._call.execution.id, said)
        return offset + len(text)


def _text_of(event: ModelResponseStreamEvent) -> str:
    match event:
        case PartStartEvent(part=TextPart(content=content)):
            return content
        case PartDeltaEvent(delta=TextPartDelta(content_delta=content)):
            return content
    return ""
