"""`text.template`: a text of many values, as JSONata is no good at: a mail, a report, a prompt."""

from typing import Any

from pydantic import Field

from functions.nodes.tool.confined import confined
from functions.nodes.tool.registry import Arguments, Tool, ToolContext


class TemplateArguments(Arguments):
    template: str = Field(
        max_length=100_000, description="Jinja: `Dear {{ name }}, {% for o in orders %}…{% endfor %}`."
    )
    values: dict[str, Any] = Field(default_factory=dict, description="What the template may name.")
    html: bool = Field(default=False, description="Escape values for HTML.")
    max_characters: int = Field(default=100_000, ge=1, le=1_000_000)


async def run(arguments: TemplateArguments, _: ToolContext) -> str:
    """The text. A name without a value is a mistake; the template runs in a sandbox, within bounds."""
    given = arguments.model_dump(include={"template", "values", "html"})
    text: str = await confined("template", **given, most=arguments.max_characters)
    return text


TOOL = Tool(
    name="text.template",
    summary="Fills values into a template.",
    arguments=TemplateArguments,
    run=run,
    raises=("NodeConfigInvalid",),
)
