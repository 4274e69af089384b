"""The page behind an approval's link: the question, the fields of its form, two buttons. No scripts, no assets."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from shared.approvals.records import Approval
from shared.errors import MalformedRequest

POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
"""Content-Security-Policy of the page."""

_PREFIX = "form."
_WHOLE = "form"
_TYPES = {"string": "text", "number": "number", "integer": "number", "boolean": "checkbox"}
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="robots" content="noindex">
<meta name="viewport" content="width=device-width"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui;max-width:40rem;margin:3rem auto;padding:0 1rem}}
label{{display:block;margin:1rem 0}}
input:not([type=checkbox]),select,textarea{{display:block;width:100%;font:inherit;padding:.4rem;box-sizing:border-box}}
button{{font:inherit;padding:.5rem 1.5rem;margin-right:1rem}}pre{{white-space:pre-wrap;font:inherit}}</style>
<h1>{title}</h1>{body}</html>"""


def question(approval: Approval, approver: str) -> str:
    """The page that asks."""
    fields = "".join(_field(name, schema, approval) for name, schema in _fields(approval).items())
    if not fields and approval.form_schema is not None:
        fields = f'<label>Form, as JSON<textarea name="{_WHOLE}" rows="8">{{}}</textarea></label>'
    body = (
        f"<pre>{escape(approval.description)}</pre><p>{escape(approval.workflow)} · {escape(approval.node)}</p>"
        f'<form method="post">{fields}<label>Comment<textarea name="comment" rows="3"></textarea></label>'
        '<button name="decision" value="approve">Approve</button>'
        '<button name="decision" value="reject" formnovalidate>Reject</button></form>'
        f"<p>You decide as {escape(approver)}.</p>"
    )
    return _PAGE.format(title=escape(approval.title), body=body)


def told(approval: Approval, words: str) -> str:
    """The page that says what came of it."""
    return _PAGE.format(title=escape(approval.title), body=f"<p>{escape(words)}</p>")


def read_form(approval: Approval, sent: Mapping[str, str]) -> Any:
    """The form that was filled in, as JSON; None where the approval has none. Raises MalformedRequest."""
    if approval.form_schema is None:
        return None
    fields = _fields(approval)
    if not fields:
        try:
            return json.loads(sent.get(_WHOLE) or "{}")
        except ValueError as error:
            raise MalformedRequest(f"The form is not JSON: {error}.") from None
    values = {name: _value(schema, sent.get(_PREFIX + name)) for name, schema in fields.items()}
    return {name: value for name, value in values.items() if value is not None}


def _fields(approval: Approval) -> dict[str, Any]:
    """The fields that can be drawn, where all of them can."""
    properties = (approval.form_schema or {}).get("properties")
    if not isinstance(properties, dict):
        return {}
    simple = all(
        isinstance(each, dict) and ("enum" in each or each.get("type") in _TYPES) for each in properties.values()
    )
    return properties if simple else {}


def _field(name: str, schema: dict[str, Any], approval: Approval) -> str:
    label = escape(str(schema.get("title") or name))
    required = " required" if name in (approval.form_schema or {}).get("required", ()) else ""
    key = escape(_PREFIX + name, quote=True)
    if "enum" in schema:
        options = "".join(f"<option>{escape(str(each))}</option>" for each in schema["enum"])
        return f'<label>{label}<select name="{key}"{required}>{options}</select></label>'
    if schema["type"] == "boolean":
        return f'<label><input type="checkbox" name="{key}" value="true"> {label}</label>'
    step = ' step="any"' if schema["type"] == "number" else ""
    return f'<label>{label}<input type="{_TYPES[schema["type"]]}" name="{key}"{step}{required}></label>'


def _value(schema: dict[str, Any], text: str | None) -> Any:
    if "enum" in schema:
        return next((each for each in schema["enum"] if str(each) == text), text)
    if schema["type"] == "boolean":
        return text is not None
    if text is None or text == "":
        return None
    try:
        return text if schema["type"] == "string" else json.loads(text)
    except ValueError:
        return text  # the schema refuses it, and says where
