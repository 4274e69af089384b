"""`html.to_text`: what a person would read of a page, for a prompt."""

import re
from html.parser import HTMLParser

from pydantic import Field

from functions.nodes.tool.registry import Arguments, Tool, ToolContext

_HIDDEN = frozenset({"script", "style", "template", "noscript", "head"})
_BREAKS = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "pre"})


class HtmlArguments(Arguments):
    html: str = Field(max_length=1_000_000)
    max_characters: int = Field(default=50_000, ge=1, le=200_000, description="Text beyond this is cut off.")


class _Reader(HTMLParser):
    """Collects text outside hidden elements. An unclosed hidden element hides the rest, as in a browser."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - HTMLParser's interface
        self._hidden += tag in _HIDDEN
        if tag in _BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in _HIDDEN))
        if tag in _BREAKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(re.sub(r"\s+", " ", data))


async def run(arguments: HtmlArguments, _: ToolContext) -> dict[str, object]:
    """`{text, truncated}`: one line per block, without markup, scripts and styles."""
    reader = _Reader()
    reader.feed(arguments.html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.parts).splitlines())
    text = "\n".join(line for line in lines if line)
    return {"text": text[: arguments.max_characters], "truncated": len(text) > arguments.max_characters}


TOOL = Tool(
    name="html.to_text",
    summary="Gives the readable text of an HTML page.",
    arguments=HtmlArguments,
    run=run,
)
