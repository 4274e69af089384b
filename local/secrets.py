"""`millrace secrets rotate`: every stored secret, sealed anew with the newest key."""

from local.cli.failures import ExitCode
from local.cli.session import Session
from local.servers import servers
from shared.adapters.local.secret_box import FernetBox, add_key
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.resealing import reseal
from shared.settings import Settings


async def rotate_secrets(session: Session, settings: Settings) -> ExitCode:
    """Says how many values of each kind there were.

    Raises:
        ConfigInvalid: a value cannot be opened with any key, or an embedded database is in use by a running stage.
        StoreUnavailable: the database does not answer.
    """
    async with servers(settings) as found:
        box = _box(settings)
        if found.database_url is None:
            raise AssertionError  # servers() sets it
        engine = create_engine(found.database_url.get_secret_value())
        try:
            counts = await reseal(engine, lambda sealed: box.encrypt(box.decrypt(sealed)))
        finally:
            await engine.dispose()
    session.rows(("WHAT", "SEALED ANEW"), [(name, str(count)) for name, count in counts.items()])
    session.note("Keep the oldest key until nothing waits for an approval or a task: their tokens come from it.")
    return ExitCode.OK


def _box(settings: Settings) -> FernetBox:
    if settings.encryption_keys is not None:
        return FernetBox(settings.encryption_keys.get_secret_value())
    add_key(settings.data)
    return FernetBox.of_folder(settings.data)
