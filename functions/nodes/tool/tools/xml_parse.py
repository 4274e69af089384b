"""`xml.parse`: XML as JSON. Documents with entities of their own or a DTD are refused: bombs have them."""

from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from pydantic import Field

from functions.nodes.tool.registry import Arguments, Tool, ToolContext
from shared.errors import NodeConfigInvalid

_DEEPEST = 100


class XmlArguments(Arguments):
    xml: str = Field(min_length=1, max_length=1_000_000)
    namespaces: bool = Field(default=False, description="Keep them, as `{uri}name`.")


async def run(arguments: XmlArguments, _: ToolContext) -> dict[str, Any]:
    """`{name, attributes, text, children: [...]}` of the root, and so on down."""
    try:
        root = fromstring(arguments.xml, forbid_dtd=True)
    except DefusedXmlException as error:
        raise NodeConfigInvalid(f"`xml` has a DTD or entities, which are not taken ({type(error).__name__}).") from None
    except (ParseError, ValueError) as error:
        raise NodeConfigInvalid(f"`xml` is not XML: {error}.") from None
    return _element(root, namespaces=arguments.namespaces)


def _element(element: Element, *, namespaces: bool, depth: int = 0) -> dict[str, Any]:
    if depth > _DEEPEST:
        raise NodeConfigInvalid(f"`xml` is nested more than {_DEEPEST} deep.")

    def named(tag: str) -> str:
        return tag if namespaces else tag.rpartition("}")[2]

    return {
        "name": named(str(element.tag)),
        "attributes": {named(name): value for name, value in element.attrib.items()},
        "text": (element.text or "").strip(),
        "children": [_element(child, namespaces=namespaces, depth=depth + 1) for child in element],
    }


TOOL = Tool(
    name="xml.parse",
    summary="Turns XML text into objects.",
    arguments=XmlArguments,
    run=run,
    raises=("NodeConfigInvalid",),
)
