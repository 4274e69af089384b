"""What a Lambda gets ready before its first event, in its init phase; in any other process, nothing.

While a Lambda starts it has a whole processor; with an event, what its memory pays for, which is 0.29 of one at 512 MB
(docs/adr/0025). What needs the network is left to the first event: secrets, connections.
"""

import gc
import importlib
import logging
import os
from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)


def in_init_phase() -> bool:
    """Whether this process is a Lambda's, as its runtime says.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    return "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ


def preload(*work: str | Callable[[], object], clients: Sequence[str] = ()) -> None:
    """Imports the modules that are named, calls what else is given, and makes the clients of these services of AWS. At
    the end of a handler's module.

    What fails is logged, and tried again by the first event, whose answer then says it: a start that fails would be
    repeated without one.
    """
    if not in_init_phase():
        return
    for each in work:
        _do(each if callable(each) else _import(each))
    if clients:
        _do(_believe)
    for service in clients:
        _do(_make(service))
    # What is there now stays; to look through it, the collector would take 100 ms of the first events.
    gc.freeze()
    gc.enable()  # functions/__init__.py switched it off


def _do(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception:
        log.exception("a part of the start failed, and is left to the first event")


def _import(name: str) -> Callable[[], object]:
    return lambda: importlib.import_module(name)


def _believe() -> None:
    from shared.adapters.aws.client import believe  # noqa: PLC0415 - boto3, in a Lambda only

    believe()


def _make(service: str) -> Callable[[], object]:
    def make() -> object:
        from shared.adapters.aws.client import client  # noqa: PLC0415 - as above

        return client(service)

    return make
