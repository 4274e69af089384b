"""Wait, No Operation, Stop and Error, Respond to Webhook, and where n8n's loop stands in the table."""

import re
from datetime import datetime
from typing import Any

from statemachines.asl.limits import MAX_WAIT_SECONDS
from statemachines.importers.n8n import code as c
from statemachines.importers.n8n import loops
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.javascript.dates import point
from statemachines.importers.n8n.problems import Untranslatable
from statemachines.importers.n8n.registry import translates
from statemachines.importers.n8n.result import Level
from statemachines.importers.n8n.values import Value
from statemachines.importers.n8n.work import Work

_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}
_WITH_SECONDS = 1.1
_LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?")
_TODO = "Use a `delay` node."


@translates(
    "n8n-nodes-base.wait",
    becomes="`delay`, or `approval`",
    remarks="An interval or a point in time; where n8n waits for a call or a form, a person's approval.",
)
def wait(work: Work) -> None:
    """The items go on when the time has come."""
    resume = work.node.text("resume", "timeInterval")
    if resume == "timeInterval":
        work.emit("delay", {"seconds": _seconds(work)})
    elif resume == "specificTime":
        work.emit("delay", {"until": _until(work)})
    elif resume in ("webhook", "form"):
        _approval(work, resume)
        return
    else:
        raise Untranslatable(f"it resumes by '{resume[:40]}'", _TODO)
    work.out(0, work.input)


def _seconds(work: Work) -> Any:
    unit = work.node.text("unit", "seconds" if work.node.version >= _WITH_SECONDS else "hours")
    amount = work.code(work.node.get("amount", 1), work.place())
    if unit not in _SECONDS:
        raise Untranslatable(f"the unit '{unit[:40]}' is not known", _TODO)
    if amount.constant and isinstance(amount.literal, int | float) and not isinstance(amount.literal, bool):
        seconds = max(0, round(amount.literal * _SECONDS[unit]))
        if seconds > MAX_WAIT_SECONDS:
            raise Untranslatable(f"it waits for {seconds} seconds; a state can wait for {MAX_WAIT_SECONDS}", _TODO)
        return seconds
    return Code(f"$round({c.number_of(amount).operand} * {_SECONDS[unit]})").template()


def _until(work: Work) -> Any:
    when = work.code(work.node.get("dateTime", ""), work.place())
    if when.constant and isinstance(when.literal, str) and _LOCAL_TIME.fullmatch(when.literal):
        work.say(Level.CHECK, "time.zone", "The time has no zone; it is taken for UTC.")
        local = when.literal.replace(" ", "T")
        return _time(f"{local}:00Z" if local.count(":") == 1 else f"{local}Z")
    if when.constant:
        return _time(when.literal)
    return c.value(point(when)).template()


def _time(value: Any) -> str:
    """The time where it is one by RFC 3339. Raises Untranslatable."""
    try:
        if isinstance(value, str) and "T" in value and datetime.fromisoformat(value).tzinfo is not None:
            return value
    except ValueError:
        pass
    raise Untranslatable(f"it waits until '{str(value)[:40]}', which is no time", _TODO)


def _approval(work: Work, resume: str) -> None:
    title = f"Continue after '{work.node.name}'?"
    more: dict[str, Any] = {}
    amount = work.node.get("resumeAmount", 1)
    unit = _SECONDS.get(work.node.text("resumeUnit", "hours"), 3_600)
    if work.node.flag("limitWaitTime") and isinstance(amount, int) and 1 <= amount * unit <= 31_536_000:  # noqa: PLR2004 - a year
        more["timeout_seconds"] = amount * unit
    work.emit("approval", {"title": c.constant(title).template()}, **more)
    work.out(0, Value(c.variable(work.id)))
    what = "a call of its webhook" if resume == "webhook" else "a form"
    message = f"n8n waits for {what}; here a person approves. What was sent with it is not there behind the node."
    work.say(Level.CHECK, "wait.approval", message, "Complete the approval by the API, or give it a form_schema.")


@translates("n8n-nodes-base.noOp", becomes="`transform`", remarks="Passes its items on.")
def no_operation(work: Work) -> None:
    """The same items."""
    work.transform(work.input)


@translates("n8n-nodes-base.stopAndError", becomes="`transform` that fails", remarks="With the same message.")
def stop_and_error(work: Work) -> None:
    """The execution fails here, as it does in n8n."""
    place = work.place()
    if work.node.text("errorType", "errorMessage") == "errorObject":
        message = c.string_of(work.json_code(work.node.get("errorObject", "{}"), place))
    else:
        message = c.joined([work.code(work.node.get("errorMessage", ""), place)])
    work.emit("transform", {"output": Code(f"$error({message.text})").template()})


@translates(
    "n8n-nodes-base.respondToWebhook",
    becomes="`transform`",
    remarks="Its output is the answer that n8n would give; the items pass it.",
)
def respond(work: Work) -> None:
    """Millrace answers a delivery at once with 202, so the answer is only kept."""
    node, place = work.node, work.place()
    status = work.code(node.get("options.responseCode", 200), place)
    work.emit("transform", {"output": c.entries({"status": status, "body": _answer(work)}).template()})
    work.out(0, work.input)
    message = (
        "Millrace answers a webhook at once, with the execution's id; what n8n would answer is this node's output."
    )
    work.say(Level.CHECK, "webhook.answer", message, "Make it the workflow's `output`, and let the caller fetch it.")


def _answer(work: Work) -> Code:
    kind, place = work.node.text("respondWith", "firstIncomingItem"), work.place()
    if kind == "json":
        return work.json_code(work.node.get("responseBody", "{}"), place)
    if kind == "text":
        return c.string_of(work.code(work.node.get("responseBody", ""), place))
    if kind == "allIncomingItems":
        return work.input.as_list()
    if kind == "firstIncomingItem":
        return place.current
    if kind == "noData":
        return c.constant(None)
    raise Untranslatable(f"it responds with '{kind[:40]}'", "Make the answer the workflow's `output`.")


@translates(loops.LOOP_TYPE, becomes=loops.BECOMES, remarks=loops.REMARKS)
def loop(_: Work) -> None:
    """Loops need the builder, for their bodies; it asks `loops` itself."""
