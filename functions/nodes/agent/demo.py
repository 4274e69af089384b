"""`demo:triage`: a deterministic stand-in for a language model, so that the example runs without a key.

It looks for words in a GitHub issue; it understands nothing. Whatever it answers is marked as a stand-in's answer
(`meta.stand_in`, `meta.note`), so that nobody takes it for a model's.
"""

import re
from dataclasses import dataclass
from typing import Any

import orjson
from jsonschema import Draft202012Validator

from functions.nodes.agent.models import DEMO_MODEL
from functions.nodes.agent.sample import sample
from shared.errors import ModelRefused

NOTE = (
    f"{DEMO_MODEL} is a deterministic stand-in that looks for words; no language model was called. "
    "Set OPENAI_API_KEY, ANTHROPIC_API_KEY or AWS credentials for a real answer."
)

_ROUTINE = 3
_URGENCY = (
    (10, r"data loss|los(?:t|es|ing) (?:\w+ )?data|corrupt|remote code execution"),
    (9, r"security|vulnerab|outage|production (?:is )?down|charged twice|leaks? (?:secret|token|credential|password)"),
    (8, r"crash|segfault|panic|deadlock|out of memory|blocks? (?:the |our )?release"),
    (6, r"regression|broken|fails?\b|failing|exception|traceback|error"),
    (2, r"typo|cosmetic|nice to have|would be nice|feature request"),
)
_CATEGORIES = (
    ("security", r"security|vulnerab|cve-\d"),
    ("docs", r"typo|documentation|docs\b|readme"),
    ("bug", r"bug|crash|error|exception|traceback|fails?\b|failing|broken|regression|data loss|corrupt"),
    ("feature", r"feature|would be nice|please add|support for|proposal"),
    ("question", r"how (?:do|can|to)\b|is it possible|\?"),
)
_AREAS = (
    ("database", r"database|postgres|sql\b|migration"),
    ("api", r"\bapi\b|endpoint|http|webhook"),
    ("performance", r"slow|latency|memory|cpu\b"),
    ("ui", r"button|dark mode|layout|console|css"),
    ("auth", r"login|oauth|token|permission"),
)
_SUMMARY_CHARACTERS = 200
_URGENT_FROM = 8


@dataclass(frozen=True, slots=True)
class Issue:
    """What the stand-in reads."""

    title: str
    body: str

    @property
    def text(self) -> str:
        return f"{self.title}\n{self.body}".lower()


def read_issue(prompt: str) -> Issue:
    """The issue in a prompt: `title` and `body` of the JSON that the prompt is, else its first line and the rest."""
    try:
        document = orjson.loads(prompt)
    except orjson.JSONDecodeError:
        document = None
    found = _find(document)
    if found is not None:
        return found
    title, _, body = prompt.strip().partition("\n")
    return Issue(title.strip("# "), body.strip())


def triage(issue: Issue) -> dict[str, Any]:
    """Category, urgency (1 to 10), labels, summary and reason, by the words in the issue."""
    urgency, word = _urgency(issue.text)
    category = next((name for name, pattern in _CATEGORIES if re.search(pattern, issue.text)), "question")
    areas = [name for name, pattern in _AREAS if re.search(pattern, issue.text)]
    reason = f"The issue says '{word}'." if word else "No word in the issue hints at urgency."
    return {
        "category": category,
        "urgency": urgency,
        "urgent": urgency >= _URGENT_FROM,
        "labels": list(dict.fromkeys([category, *areas])),
        "title": issue.title,
        "summary": _summary(issue),
        "reason": reason,
    }


def structured(prompt: str, schema: dict[str, Any]) -> Any:
    """An answer that matches `schema`, with the triage in the properties that it knows.

    Raises:
        ModelRefused: it finds none.
    """
    answer = sample(schema, triage(read_issue(prompt)))
    mistakes = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(answer)]
    if mistakes:
        raise ModelRefused(
            f"The stand-in {DEMO_MODEL} makes up answers for simple schemas only, and not for this output_schema "
            f"({'; '.join(mistakes[:3])}). Set a model: OPENAI_API_KEY, ANTHROPIC_API_KEY or AWS credentials."
        )
    return answer


def text(prompt: str) -> str:
    """An answer in words, for an agent without an output_schema."""
    found = triage(read_issue(prompt))
    return f"[{DEMO_MODEL}, a stand-in] {found['category']}, urgency {found['urgency']}/10: {found['summary']}"


def _find(document: Any, depth: int = 0) -> Issue | None:
    """The first object with a `title`, outermost first; a delivery of GitHub has it under `issue`."""
    if not isinstance(document, dict) or depth > 3:  # noqa: PLR2004 - deeper down it is another thing's title
        return None
    if isinstance(document.get("title"), str):
        return Issue(document["title"], str(document.get("body") or ""))
    found = (_find(value, depth + 1) for value in document.values())
    return next((issue for issue in found if issue is not None), None)


def _urgency(text: str) -> tuple[int, str]:
    for level, pattern in _URGENCY:
        match = re.search(pattern, text)
        if match:
            return level, match[0]
    return _ROUTINE, ""


def _summary(issue: Issue) -> str:
    """The title and the first sentence of the body that is prose, not markup."""
    prose = re.sub(r"```[\s\S]*?```|<!--[\s\S]*?-->|[#*_`>]", " ", issue.body)
    lines = [" ".join(line.split()) for line in prose.splitlines()]
    first = next((line for line in lines if len(line.split()) > 3), "")  # noqa: PLR2004 - shorter ones are headings
    sentence = re.split(r"(?<=[.!?])\s", first)[0]
    whole = f"{issue.title}. {sentence}".strip() if sentence else issue.title
    return whole if len(whole) <= _SUMMARY_CHARACTERS else whole[: _SUMMARY_CHARACTERS - 1].rstrip() + "…"
