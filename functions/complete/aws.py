"""The dependencies of the Lambda."""

from functions.complete.core import CompleteDeps
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.settings import stage
from shared.adapters.postgres.journal import PostgresJournal


def from_environment() -> CompleteDeps:
    """Connected to nothing yet. Raises ConfigInvalid."""
    here = stage()
    return CompleteDeps(Machines(here.aws), PostgresJournal(here.settings.require_database_url()))
