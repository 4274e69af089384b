"""The dependencies of the Lambda."""

from datetime import timedelta

from functions.housekeeping.core import Deps
from shared.adapters.aws.completions import StepFunctionsCompletions
from shared.adapters.aws.settings import stage
from shared.adapters.local.secret_box import FernetBox
from shared.adapters.postgres.approvals import PostgresApprovals
from shared.adapters.postgres.audit import PostgresAudit
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.event_archive import PostgresEventArchive
from shared.clock import SystemClock


def from_environment() -> Deps:
    """Connected to nothing yet. Raises ConfigInvalid."""
    settings = stage().settings
    engine = create_engine(settings.require_database_url(), pool_size=1)
    return Deps(
        audit=PostgresAudit(engine),
        archive=PostgresEventArchive(engine),
        approvals=PostgresApprovals(engine),
        completions=StepFunctionsCompletions(),
        secrets=FernetBox(settings.require_encryption_keys()),
        clock=SystemClock(),
        audit_kept=timedelta(days=settings.audit_retention_days),
    )
