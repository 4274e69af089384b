"""The schema, as SQLAlchemy Core sees it. functions/migrate makes it; a test holds the two together.

Documents are `json`, not `jsonb`: nothing in SQL looks into them, they are read and written whole, `json` is cheaper to
write, and it takes every JSON text, where `jsonb` refuses strings with U+0000. What SQL filters by has a column.
"""

from shared.adapters.postgres.tables.approvals import approvals
from shared.adapters.postgres.tables.base import metadata
from shared.adapters.postgres.tables.events import dead_letters, event_queue, event_replays, events, execution_outbox
from shared.adapters.postgres.tables.executions import (
    UNFINISHED,
    execution_events,
    task_completions,
    workflow_executions,
)
from shared.adapters.postgres.tables.nodes import agent_memory, agent_turns, connections
from shared.adapters.postgres.tables.schedules import poll_sources, trigger_state
from shared.adapters.postgres.tables.triggers import triggers, webhook_registrations
from shared.adapters.postgres.tables.workflows import projects, workflow_versions, workflows

__all__ = [
    "UNFINISHED",
    "agent_memory",
    "agent_turns",
    "approvals",
    "connections",
    "dead_letters",
    "event_queue",
    "event_replays",
    "events",
    "execution_events",
    "execution_outbox",
    "metadata",
    "poll_sources",
    "projects",
    "task_completions",
    "trigger_state",
    "triggers",
    "webhook_registrations",
    "workflow_executions",
    "workflow_versions",
    "workflows",
]
