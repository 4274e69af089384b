"""Models by name, built once and kept open; each provider's library is imported when it is first named."""

from typing import TYPE_CHECKING, Any

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, FunctionModel

from functions.nodes.agent import demo
from functions.nodes.agent.models import DEMO_MODEL

if TYPE_CHECKING:
    from functions.nodes.agent.core import AgentDeps


async def build(name: str, deps: "AgentDeps") -> Model:
    """The model of a resolved `provider:name`. Raises pydantic-ai's UserError where it can not be set up."""
    model = deps.models.get(name)
    if model is None:
        model = deps.models[name] = _make(name, deps)
        await deps.open.enter_async_context(model)
    return model


def _make(name: str, deps: "AgentDeps") -> Model:
    # The imports are here, not on top: each provider's library takes a good part of a second.
    provider, _, rest = name.partition(":")
    environment = deps.environment
    if name == DEMO_MODEL:
        return FunctionModel(_demo, model_name=DEMO_MODEL)
    if provider == "anthropic":
        from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415
        from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415

        return AnthropicModel(rest, provider=AnthropicProvider(api_key=environment["ANTHROPIC_API_KEY"]))
    if provider == "bedrock":
        from pydantic_ai.models.bedrock import BedrockConverseModel  # noqa: PLC0415
        from pydantic_ai.providers.bedrock import BedrockProvider  # noqa: PLC0415

        region = environment.get("AWS_REGION") or environment["AWS_DEFAULT_REGION"]
        return BedrockConverseModel(rest, provider=BedrockProvider(region_name=region))
    return _openai(rest, environment.get("OPENAI_BASE_URL"), environment.get("OPENAI_API_KEY"))


def _openai(name: str, base_url: str | None, api_key: str | None) -> Model:
    """OpenAI's Responses API, or the chat-completions API of a compatible service, which is what those have."""
    if base_url:
        from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415
        from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider  # noqa: PLC0415

        provider = OpenAICompatibleProvider("openai-compatible", base_url=base_url, api_key=api_key)
        return OpenAIChatModel(name, provider=provider)
    from pydantic_ai.models.openai import OpenAIResponsesModel  # noqa: PLC0415
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415

    return OpenAIResponsesModel(name, provider=OpenAIProvider(api_key=api_key))


async def _demo(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """The stand-in in the place of a model: it fills in the output tool, or answers in words."""
    prompt = _prompt(messages)
    if not info.output_tools:
        return ModelResponse(parts=[TextPart(demo.text(prompt))])
    tool = info.output_tools[0]
    arguments: Any = demo.structured(prompt, tool.parameters_json_schema)
    return ModelResponse(parts=[ToolCallPart(tool.name, arguments)])


def _prompt(messages: list[ModelMessage]) -> str:
    parts = [part for message in messages if isinstance(message, ModelRequest) for part in message.parts]
    return "\n".join(
        part.content for part in parts if isinstance(part, UserPromptPart) and isinstance(part.content, str)
    )
