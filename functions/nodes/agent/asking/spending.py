"""What calls of models took: tokens and dollars."""

from collections.abc import Sequence

from pydantic_ai.messages import ModelResponse


def usage_of(responses: Sequence[ModelResponse]) -> dict[str, int]:
    """Requests and tokens."""
    return {
        "requests": len(responses),
        "input_tokens": sum(response.usage.input_tokens for response in responses),
        "output_tokens": sum(response.usage.output_tokens for response in responses),
    }


def cost_of(responses: Sequence[ModelResponse]) -> dict[str, float]:
    """Dollars, by the price list that comes with pydantic-ai; nothing where it lacks the model."""
    try:
        return {"cost_usd": float(sum(response.cost().total_price for response in responses))}
    except (LookupError, ValueError):
        return {}
