"""The schema, as SQLAlchemy Core sees it. functions/migrate makes it; a test holds the two together.

Documents are `json`, not `jsonb`: nothing in SQL looks into them, they are read and written whole, `json` is cheaper to
write, and it takes every JSON text, where `jsonb` refuses strings with U+0000. What SQL filters by has a column.
"""

from shared.adapters.postgres.tables.approvals import approvals
from shared.adapters.postgres.tables.audit import audit_heads, audit_log
from shared.adapters.postgres.tables.base import metadata
from shared.adapters.postgres.tables.bulk import bulk_runs
from shared.adapters.postgres.tables.events import dead_letters, event_queue, event_replays, events, execution_outbox
from shared.adapters.postgres.tables.executions import (
    UNFINISHED,
    execution_events,
    task_completions,
    workflow_executions,
)
from shared.adapters.postgres.tables.flow import flow_arrivals, flow_entries
from shared.adapters.postgres.tables.identity import (
    api_keys,
    login_attempts,
    memberships,
    organisations,
    refresh_tokens,
    roles,
    signing_keys,
    user_identities,
    users,
)
from shared.adapters.postgres.tables.nodes import agent_memory, agent_turns, connections, model_usage
from shared.adapters.postgres.tables.samples import webhook_samples
from shared.adapters.postgres.tables.schedules import poll_sources, trigger_state
from shared.adapters.postgres.tables.triggers import triggers, webhook_registrations
from shared.adapters.postgres.tables.values import key_values
from shared.adapters.postgres.tables.workflows import projects, workflow_versions, workflows

__all__ = [
    "UNFINISHED",
    "agent_memory",
    "agent_turns",
    "api_keys",
    "approvals",
    "audit_heads",
    "audit_log",
    "bulk_runs",
    "connections",
    "dead_letters",
    "event_queue",
    "event_replays",
    "events",
    "execution_events",
    "execution_outbox",
    "flow_arrivals",
    "flow_entries",
    "key_values",
    "login_attempts",
    "memberships",
    "metadata",
    "model_usage",
    "organisations",
    "poll_sources",
    "projects",
    "refresh_tokens",
    "roles",
    "signing_keys",
    "task_completions",
    "trigger_state",
    "triggers",
    "user_identities",
    "users",
    "webhook_registrations",
    "webhook_samples",
    "workflow_executions",
    "workflow_versions",
    "workflows",
]
