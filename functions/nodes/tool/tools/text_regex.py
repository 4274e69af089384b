"""`text.regex`: matches of a regular expression, or a text with them replaced."""

from typing import Any, Literal

from pydantic import Field

from functions.nodes.tool.confined import confined
from functions.nodes.tool.registry import Arguments, Tool, ToolContext


class RegexArguments(Arguments):
    text: str = Field(max_length=1_000_000)
    pattern: str = Field(min_length=1, max_length=5_000, description="As Python writes them.")
    flags: list[Literal["ignorecase", "multiline", "dotall", "verbose"]] = Field(default_factory=list)
    replacement: str | None = Field(default=None, max_length=10_000, description="With it, the answer is the new text.")
    max_matches: int = Field(default=100, ge=1, le=10_000)


async def run(arguments: RegexArguments, _: ToolContext) -> Any:
    """`[{match, start, groups, named}]`, or with `replacement` a text. A pattern that does not end is ended."""
    given = arguments.model_dump(include={"text", "pattern", "replacement"})
    flags = sorted(set(arguments.flags))
    return await confined("regex", **given, flags=flags, matches=arguments.max_matches, most=2_000_000)


TOOL = Tool(
    name="text.regex",
    summary="Finds or replaces what a regular expression matches.",
    arguments=RegexArguments,
    run=run,
    raises=("NodeConfigInvalid",),
)
