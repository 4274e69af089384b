"""A model whose calls are told to a monitor."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from functions.nodes.agent.asking.spending import cost_of, usage_of
from functions.nodes.agent.conversation import as_json
from shared.ports import Observation, Tracing
from shared.workflow.node_call import NodeCall


def traced(model: Model, tracing: Tracing | None, call: NodeCall) -> Model:
    """`model` itself where nobody is told."""
    return model if tracing is None else _TracedModel(model, tracing, call)


class _TracedModel(WrapperModel):
    def __init__(self, wrapped: Model, tracing: Tracing, call: NodeCall) -> None:
        super().__init__(wrapped)
        self._tracing = tracing
        self._call = call

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        with self._tracing.observe("model", self._call, self.model_name, as_json(messages)) as seen:
            response = await super().request(messages, model_settings, model_request_parameters)
            self._note(seen, response)
        return response

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        with self._tracing.observe("model", self._call, self.model_name, as_json(messages)) as seen:
            async with super().request_stream(
                messages, model_settings, model_request_parameters, run_context
            ) as stream:
                yield stream
            self._note(seen, stream.get())

    def _note(self, seen: Observation, response: ModelResponse) -> None:
        usage = usage_of([response])
        seen.output = as_json([response])[0]["parts"]
        seen.model = self.model_name
        seen.usage = {"input": usage["input_tokens"], "output": usage["output_tokens"]}
        seen.cost_usd = cost_of([response]).get("cost_usd")
