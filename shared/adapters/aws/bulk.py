"""Bulk runs on AWS: nobody feeds them to the queue there yet, so none is taken in."""

from typing import Any

from shared.bulk.records import BulkRun
from shared.errors import NotImplementedYet
from shared.ports import BulkRuns


class NoBulkRuns:
    """Reads as `rows` does, and refuses new ones."""

    def __init__(self, rows: BulkRuns) -> None:
        self._rows = rows

    async def create(self, bulk: BulkRun) -> BulkRun:
        """Raises NotImplementedYet."""
        del bulk
        raise NotImplementedYet("Bulk runs do not run on AWS yet; start the executions one by one.")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)
