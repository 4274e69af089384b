"""The dependencies of the Lambda."""

from datetime import timedelta

from functions.housekeeping.core import Deps
from functions.housekeeping.ends import EndsDeps
from shared.adapters.aws.completions import StepFunctionsCompletions
from shared.adapters.aws.rounds import SqsRounds
from shared.adapters.aws.settings import stage
from shared.adapters.aws.watches import Watches
from shared.adapters.local.secret_box import FernetBox
from shared.adapters.postgres.approvals import PostgresApprovals
from shared.adapters.postgres.audit import PostgresAudit
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.event_archive import PostgresEventArchive
from shared.adapters.postgres.running import PostgresRunning
from shared.clock import SystemClock


def from_environment() -> tuple[Deps, EndsDeps]:
    """Connected to nothing yet. Raises ConfigInvalid."""
    here = stage()
    engine = create_engine(here.settings.require_database_url(), pool_size=1)
    keeping = Deps(
        audit=PostgresAudit(engine),
        archive=PostgresEventArchive(engine),
        approvals=PostgresApprovals(engine),
        completions=StepFunctionsCompletions(),
        secrets=FernetBox(here.settings.require_encryption_keys()),
        clock=SystemClock(),
        audit_kept=timedelta(days=here.settings.audit_retention_days),
    )
    ends = EndsDeps(
        running=PostgresRunning(engine),
        watches=Watches(here.aws.watches_queue_url),
        rounds=SqsRounds(here.aws.queue_housekeeping),
        clock=SystemClock(),
    )
    return keeping, ends
