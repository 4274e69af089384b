"""What language models cost, by the price list that comes with pydantic-ai (https://github.com/pydantic/genai-prices)."""

from decimal import Decimal


def price(model: str, *, input_tokens: int = 0, output_tokens: int = 0) -> Decimal | None:
    """Dollars for so many tokens of `provider:name`; None where the list lacks the model."""
    from genai_prices import Usage, calc_price  # noqa: PLC0415 - a long list, which only those who ask have to load

    provider, _, name = model.partition(":")
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    try:
        return calc_price(usage, model_ref=name, provider_id=provider).total_price
    except LookupError:
        return None


def dearest_token(model: str) -> float | None:
    """Dollars for one token, read or written, whichever costs more; None where the list lacks the model."""
    read, written = price(model, input_tokens=1_000_000), price(model, output_tokens=1_000_000)
    return None if read is None or written is None else float(max(read, written)) / 1_000_000
