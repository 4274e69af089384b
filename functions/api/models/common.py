"""Shapes that several resources share."""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from shared.clock import iso

Timestamp: TypeAlias = Annotated[
    datetime,
    PlainSerializer(iso, return_type=str),
    Field(examples=["2026-11-23T06:30:24.120Z"], description="RFC 3339, UTC."),
]

Item = TypeVar("Item")


class Body(BaseModel):
    """A request's body: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid")


class Listed(BaseModel, Generic[Item]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None


class DiagnosticOut(BaseModel):
    """One mistake or warning: where it is, what it is, and how to mend it."""

    model_config = ConfigDict(extra="allow")

    code: str = Field(examples=["expression.syntax"])
    path: str = Field(examples=["nodes[2].config.cases[0].when"])
    message: str
    severity: str = Field(examples=["error"])


class Problem(BaseModel):
    """Any error (RFC 9457). Match on `code`: it is stable, the words are not."""

    type: str = Field(examples=["https://millrace.dev/errors/resource.not_found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str
    code: str = Field(examples=["resource.not_found"])
    instance: str | None = Field(default=None, examples=["/api/workflows/01923e5a-7c1f-7d2e-9a4b-3f1c5d7e9b02"])
    diagnostics: list[DiagnosticOut] | None = None
    details: dict[str, Any] | None = None
    correlation_id: str | None = None
