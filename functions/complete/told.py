"""What the event of an end says, in the words of DescribeExecution, which has a quota for the whole account.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_DATES = ("startDate", "stopDate", "redriveDate")
_MAY_LACK = "redriveDate"
"""Null of what was never let go on."""


def told_by(detail: Mapping[str, Any]) -> dict[str, Any] | None:
    """What DescribeExecution would say; None where the event leaves something out that is needed: payloads are not
    included above 248 KiB, and older events say neither `error` nor `cause`."""
    if not _included(detail, "input") or not _says_how(detail):
        return None
    dates = {name: detail.get(name) for name in _DATES}
    if any(not isinstance(at, int) for name, at in dates.items() if at is not None or name != _MAY_LACK):
        return None
    return {**detail, **{name: _moment(at) for name, at in dates.items() if at is not None}}


def _says_how(detail: Mapping[str, Any]) -> bool:
    if detail["status"] == "SUCCEEDED":
        return _included(detail, "output")
    return "error" in detail and "cause" in detail


def _included(detail: Mapping[str, Any], name: str) -> bool:
    details = detail.get(f"{name}Details") or {}
    return details.get("included") is True and isinstance(detail.get(name), str)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC)
