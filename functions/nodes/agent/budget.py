"""An agent's budget: what the next call of a model may cost at most, before it is made.

Tokens of a text are counted by its UTF-8 bytes, one for every three: models make fewer of ordinary text, so that the
estimate errs on the side of stopping early. What was said before is known exactly, from the usage of the last answer.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from shared.errors import BudgetExceeded, NodeConfigInvalid
from shared.workflow.definition import Budget
from shared.workflow.model_prices import price

_BYTES_PER_TOKEN = 3
_FEWEST = 16
"""An answer of fewer tokens is of no use; providers refuse such a limit."""


@dataclass
class Spent:
    """What the turns so far took."""

    tokens: int = 0
    dollars: float = 0.0

    def add(self, meta: dict[str, Any]) -> None:
        """One finished turn, by its `usage` and `cost_usd`."""
        usage = meta.get("usage") or {}
        self.tokens += usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
        self.dollars += meta.get("cost_usd") or 0.0


def estimate(text: str) -> int:
    """At most so many tokens."""
    return len(text.encode()) // _BYTES_PER_TOKEN + 1


def allowance(budget: Budget | None, spent: Spent, model: str, input_tokens: int) -> int | None:
    """How many tokens the next answer may have; None: as many as it likes.

    Raises:
        BudgetExceeded: the question alone, or an answer of any use, could exceed the budget.
        NodeConfigInvalid: the budget is in dollars, and the price of the model is not known.
    """
    limits = []
    if budget is not None and budget.tokens is not None:
        limits.append(budget.tokens - spent.tokens - input_tokens)
    if budget is not None and budget.dollars is not None:
        limits.append(_affordable(budget.dollars - spent.dollars, model, input_tokens))
    if not limits:
        return None
    if min(limits) < _FEWEST:
        raise BudgetExceeded(
            f"The next call of '{model}' could exceed the agent's budget ({_words(budget)}): {spent.tokens} tokens and "
            f"{spent.dollars:.4f} dollars are spent, and the question has up to {input_tokens} tokens. Raise the "
            "budget, or shorten the prompt and what the tools give.",
            spent_tokens=spent.tokens,
            spent_dollars=round(spent.dollars, 6),
        )
    return min(limits)


def _affordable(dollars: float, model: str, input_tokens: int) -> int:
    asked, per_million = price(model, input_tokens=input_tokens), price(model, output_tokens=1_000_000)
    if asked is None or per_million is None:
        raise NodeConfigInvalid(
            f"The price of '{model}' is not known, so a budget in dollars cannot be kept. Use `budget: {{tokens: …}}`."
        )
    left = Decimal(str(dollars)) - asked
    return int(left / per_million * 1_000_000) if per_million else 1_000_000


def _words(budget: Budget | None) -> str:
    parts = (
        []
        if budget is None
        else [budget.tokens and f"{budget.tokens} tokens", budget.dollars and f"{budget.dollars} dollars"]
    )
    return ", ".join(str(part) for part in parts if part)
