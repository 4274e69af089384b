"""What one Map Run of a distributed Map knows: its items, which have ended, and what they gave.

Terms:
  item     one element of the Map's items, or a batch of them: what one child execution works on
  ledger   a journal of its own: one event for each item that ended, with its output or error. What is in it is never
           run again, and the results of a hundred thousand items are read without their histories
  suspect  an item that may have begun before a restart or a redrive, so its history has to be looked up

See docs/adr/0007-distributed-map-in-one-process.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from shared.executions.records import HistoryEvent
from shared.ids import derived_id
from statemachines.interpreter.execution import Ledger, map_run_arn
from statemachines.interpreter.failure import Failure
from statemachines.interpreter.payloads import Payload, too_large

MAX_RESULT_BYTES = 8 * 1024 * 1024
"""What the outputs of all items may take in memory; a state's result is at most 256 KiB in any case."""

REDRIVEN = "MapRunRedriven"
SUCCEEDED, FAILED = "MapIterationSucceeded", "MapIterationFailed"


class Batches(NamedTuple):
    """`starts` are the places in the Map's items where a child execution's share begins."""

    starts: Sequence[int]
    total: int
    batched: bool

    def share(self, index: int) -> range:
        """Places of the items that child execution `index` works on."""
        last = self.starts[index + 1] if index + 1 < len(self.starts) else self.total
        return range(self.starts[index], last)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many items may fail; a threshold of 0 is none.

    As measured in Step Functions: without thresholds any failure is too many, else one above either that is set.
    """

    count: int = 0
    percentage: float = 0

    def exceeded(self, failed: int, total: int) -> bool:
        if not self.count and not self.percentage:
            return failed > 0
        above_count = bool(self.count) and failed > self.count
        return above_count or (bool(self.percentage) and failed * 100 > self.percentage * total)


@dataclass(slots=True, eq=False)
class MapRun:
    """See the module. `label` is its part of names that Step Functions gives."""

    ledger: Ledger
    machine: str
    label: str
    batches: Batches
    tolerance: Tolerance
    loaded: bool = True
    """Whether what the ledger holds is known."""
    redrives: int = 0
    redriven_at: datetime | None = None
    unannounced: bool = False
    """Its MapRunRedriven event is not written yet."""
    next: int = 0
    """Items below it are ended or at work."""
    failed: set[int] = field(default_factory=set)
    failed_items: int = 0
    suspects: set[int] = field(default_factory=set)
    _ended: bytearray = field(default_factory=bytearray)
    _outputs: dict[int, str] = field(default_factory=dict)
    _bytes: int = 0
    _markers: int = 0

    def __post_init__(self) -> None:
        self._ended = bytearray(len(self.batches.starts))

    @property
    def arn(self) -> str:
        return map_run_arn(self.machine, self.label, self.ledger.id)

    def child_id(self, index: int) -> str:
        """Of the child execution that works on an item: the same every time."""
        return derived_id(self.ledger.id, str(index))

    def take_next(self) -> int | None:
        """The next item that has neither ended nor begun; None where there is none."""
        index = self._ended.find(0, self.next)
        if index < 0:
            self.next = len(self._ended)
            return None
        self.next = index + 1
        return index

    def succeed(self, index: int, output: str, at: datetime) -> None:
        self.ledger.record(SUCCEEDED, 0, {"index": index, "output": output}, at)
        self._keep(index, output)

    def fail(self, index: int, failure: Failure, at: datetime) -> None:
        self.ledger.record(FAILED, 0, {"index": index, **failure.details()}, at)
        self._keep_failure(index, failure.error, failure.cause)

    def too_many_failed(self) -> bool:
        """Each item of a batch that failed counts."""
        return self.failed_items > 0 and self.tolerance.exceeded(self.failed_items, self.batches.total)

    def result(self, state: str) -> Payload:
        """The list of the outputs, in the order of the items; of one that failed, its error.

        Raises:
            Failure: States.DataLimitExceeded above MAX_RESULT_BYTES.
        """
        if self._bytes > MAX_RESULT_BYTES:
            raise too_large(state)
        text = f"[{','.join(self._outputs[index] for index in range(len(self._ended)))}]"
        return Payload(orjson.loads(text), text)

    # Reading the ledger

    def read(self, event: HistoryEvent) -> None:
        """Takes one event of the ledger, in order."""
        self.ledger.newest = event.id
        if event.type == REDRIVEN:
            self._markers += 1
            self._forget_failures()
        elif event.type == SUCCEEDED:
            self._keep(event.details["index"], event.details["output"])
        else:
            self._keep_failure(event.details["index"], event.details.get("error", ""), event.details.get("cause"))

    def finish_reading(self, at_work: int, now: datetime) -> None:
        """Everything is read; `at_work` is how many may have begun besides at most. What was redriven begins again."""
        while self._markers < self.redrives:
            self._markers += 1
            self.ledger.record(REDRIVEN, 0, {}, now)
            self._forget_failures()
        index = self._ended.find(0)
        for _ in range(at_work):
            if index < 0:
                break
            self.suspects.add(index)
            index = self._ended.find(0, index + 1)
        self.loaded = True

    def _forget_failures(self) -> None:
        for index in self.failed:
            self._ended[index] = 0
            self._bytes -= len(self._outputs.pop(index, ""))
        self.suspects |= self.failed
        self.failed = set()
        self.failed_items = 0

    def _keep(self, index: int, output: str) -> None:
        self._ended[index] = 1
        self._bytes += len(output)
        if self._bytes <= MAX_RESULT_BYTES:
            self._outputs[index] = output
        else:
            self._outputs.clear()

    def _keep_failure(self, index: int, error: str, cause: str | None) -> None:
        self.failed.add(index)
        self.failed_items += len(self.batches.share(index))
        problem: dict[str, Any] = {"Status": "FAILED", "Error": error, "Cause": cause or ""}
        self._keep(index, orjson.dumps(problem).decode())
