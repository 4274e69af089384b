"""What the domain needs of the world. Adapters implement these; one contract suite holds every implementation.

Terms:
  store     keeps rows of one kind, for one project at a time
  queue     takes accepted start requests; durable once `submit` returns
  journal   takes the events of running executions, in batches
  runner    does the work of Task states

The ports of shared/ports/identity.py and shared/ports/events.py are imported from there: the node functions and the
receiver need none of them.
"""

from shared.ports.approvals import ApprovalRequests, ApprovalStore
from shared.ports.bulk import BulkItem, BulkRows, BulkRuns
from shared.ports.circuits import Circuit, Circuits, CircuitState, Permit
from shared.ports.common import Page
from shared.ports.connections import ConnectionStore, Grants, SecretBox
from shared.ports.executions import (
    Admission,
    AgentText,
    Backlog,
    Completions,
    ExecutionStore,
    Histories,
    Journal,
    LiveFeed,
    PendingExecution,
    Signals,
    StartQueue,
    TaskCompletions,
    Wakes,
)
from shared.ports.nodes import (
    AgentMemory,
    AgentRun,
    AgentTurnRecord,
    AgentTurns,
    BlobInfo,
    BlobStore,
    KeyValues,
    MemoryKey,
    Observation,
    ResultCache,
    Tracing,
)
from shared.ports.schedules import ClaimedTrigger, PollSources, TriggerRuns, TriggerState, TriggerStates, UnfinishedRun
from shared.ports.tasks import TaskCall, TaskFailed, TaskRunner
from shared.ports.workflows import TriggerStore, WorkflowReader, WorkflowStore

__all__ = [
    "Admission",
    "AgentMemory",
    "AgentRun",
    "AgentText",
    "AgentTurnRecord",
    "AgentTurns",
    "ApprovalRequests",
    "ApprovalStore",
    "Backlog",
    "BlobInfo",
    "BlobStore",
    "BulkItem",
    "BulkRows",
    "BulkRuns",
    "Circuit",
    "CircuitState",
    "Circuits",
    "ClaimedTrigger",
    "Completions",
    "ConnectionStore",
    "ExecutionStore",
    "Grants",
    "Histories",
    "Journal",
    "KeyValues",
    "LiveFeed",
    "MemoryKey",
    "Observation",
    "Page",
    "PendingExecution",
    "Permit",
    "PollSources",
    "ResultCache",
    "SecretBox",
    "Signals",
    "StartQueue",
    "TaskCall",
    "TaskCompletions",
    "TaskFailed",
    "TaskRunner",
    "Tracing",
    "TriggerRuns",
    "TriggerState",
    "TriggerStates",
    "TriggerStore",
    "UnfinishedRun",
    "Wakes",
    "WorkflowReader",
    "WorkflowStore",
]
