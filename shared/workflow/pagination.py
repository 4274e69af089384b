"""How a `webhook` node finds the next page of a list: part of the workflow definition."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class Model(BaseModel):
    """Unknown fields are mistakes: a misspelt field must not be silently ignored."""

    # Built when it is first used: a node's function uses one of the forty, and should not start later for the others.
    model_config = ConfigDict(extra="forbid", populate_by_name=True, defer_build=True)


Pointer: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(/[^/]*)*$", max_length=500)]
"""A JSON Pointer (RFC 6901) into a body: `/data/items`; empty for all of it."""

QueryName: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Pages(Model):
    """Bounds of all kinds of pagination. The output's `body` is then the list of all items."""

    items: Pointer = Field(default="", description="Where a page has its items; by default the body is the list.")
    max_pages: int = Field(default=10, ge=1, le=1_000)
    max_items: int = Field(default=10_000, ge=1, le=100_000)


class LinkPages(Pages):
    """The header `Link` names the next page, as `rel="next"` (RFC 8288)."""

    by: Literal["link"]


class NextUrlPages(Pages):
    """The body has the next page's URL."""

    by: Literal["next_url"]
    next: Pointer = "/next"


class CursorPages(Pages):
    """The body has a cursor, which goes into the query of the next request."""

    by: Literal["cursor"]
    next: Pointer = "/next_cursor"
    parameter: QueryName = "cursor"


class NumberedPages(Pages):
    """Pages are counted in a parameter of the query; the first one without items is the last."""

    by: Literal["page"]
    parameter: QueryName = "page"
    first: int = Field(default=1, ge=0, le=1_000_000)


class OffsetPages(Pages):
    """A parameter of the query says how many items to skip; the first page without items is the last."""

    by: Literal["offset"]
    parameter: QueryName = "offset"


Pagination: TypeAlias = Annotated[
    LinkPages | NextUrlPages | CursorPages | NumberedPages | OffsetPages, Field(discriminator="by")
]
