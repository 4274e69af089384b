"""Date & Time, version 2."""

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.javascript.dates import duration, picture, point, shifted
from statemachines.importers.n8n.nodes.fields import with_fields
from statemachines.importers.n8n.places import Place
from statemachines.importers.n8n.problems import Untranslatable
from statemachines.importers.n8n.registry import translates
from statemachines.importers.n8n.work import Work

_TODO = "Compute the date in JSONata."
_SECOND = 2.0
_DEFAULT_FIELDS = {"getCurrentDate": "currentDate", "formatDate": "formattedDate"}


@translates(
    "n8n-nodes-base.dateTime",
    becomes="`transform`",
    remarks="Version 2: the current date, adding and subtracting up to weeks, formatting. In UTC.",
)
def date_time(work: Work) -> None:
    """A field with a date in each item."""
    node = work.node
    operation = node.text("operation", "getCurrentDate")
    if node.version < _SECOND:
        raise Untranslatable("version 1 is not known", _TODO)
    name = node.text("outputFieldName") or _DEFAULT_FIELDS.get(operation, "newDate")
    # Without an option n8n leaves the item's own fields out.
    kept = node.flag("options.includeInputFields")

    def item(place: Place) -> Code:
        made = _date(work, operation, place)
        return with_fields(place.current if kept else None, [(name, made)], dotted=False)

    work.each(item)


def _date(work: Work, operation: str, place: Place) -> Code:
    node = work.node
    if operation == "getCurrentDate":
        whole = node.get("includeTime", True) is not False
        return Code("$now()" if whole else "$fromMillis($millis(), '[Y0001]-[M01]-[D01]T00:00:00.000Z')", "string")
    if operation in ("addToDate", "subtractFromDate"):
        date = point(work.code(node.get("magnitude", ""), place))
        by = duration(work.code(node.get("duration", 0), place), node.text("timeUnit", "days"))
        return c.value(shifted(date, by, "+" if operation == "addToDate" else "-"))
    if operation == "formatDate":
        tokens = node.text("format", "MM/dd/yyyy")
        tokens = node.text("customFormat") if tokens == "custom" else tokens
        return Code(
            f"$fromMillis({point(work.code(node.get('date', ''), place)).text}, {c.quoted(picture(tokens))})", "string"
        )
    raise Untranslatable(f"the operation '{operation[:40]}' is not known", _TODO)
