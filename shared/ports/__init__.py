"""What the domain needs of the world. Adapters implement these; one contract suite holds every implementation.

Terms:
  store     keeps rows of one kind, for one project at a time
  queue     takes accepted start requests; durable once `submit` returns
  journal   takes the events of running executions, in batches
  runner    does the work of Task states
"""

from shared.ports.approvals import ApprovalStore
from shared.ports.common import Page
from shared.ports.connections import ConnectionStore, SecretBox
from shared.ports.events import (
    ClaimedEvent,
    DeadLetters,
    EventArchive,
    EventBus,
    EventQueue,
    EventReplays,
    EventTriggers,
    LifecycleOutbox,
    Undelivered,
)
from shared.ports.executions import (
    Admission,
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
)
from shared.ports.nodes import AgentMemory, AgentRun, AgentTurnRecord, AgentTurns, BlobStore, MemoryKey, ResultCache
from shared.ports.schedules import ClaimedTrigger, PollSources, TriggerRuns, TriggerState, TriggerStates, UnfinishedRun
from shared.ports.tasks import TaskCall, TaskFailed, TaskRunner
from shared.ports.workflows import TriggerStore, WorkflowStore

__all__ = [
    "Admission",
    "AgentMemory",
    "AgentRun",
    "AgentTurnRecord",
    "AgentTurns",
    "ApprovalStore",
    "Backlog",
    "BlobStore",
    "ClaimedEvent",
    "ClaimedTrigger",
    "Completions",
    "ConnectionStore",
    "DeadLetters",
    "EventArchive",
    "EventBus",
    "EventQueue",
    "EventReplays",
    "EventTriggers",
    "ExecutionStore",
    "Histories",
    "Journal",
    "LifecycleOutbox",
    "LiveFeed",
    "MemoryKey",
    "Page",
    "PendingExecution",
    "PollSources",
    "ResultCache",
    "SecretBox",
    "Signals",
    "StartQueue",
    "TaskCall",
    "TaskCompletions",
    "TaskFailed",
    "TaskRunner",
    "TriggerRuns",
    "TriggerState",
    "TriggerStates",
    "TriggerStore",
    "Undelivered",
    "UnfinishedRun",
    "WorkflowStore",
]
