"""What a redrive does to a tree of frames: what was unsuccessful begins again, what succeeded stays.

A Task is scheduled again, with its retries and its time reset; a Choice is evaluated again; a Wait waits anew, or until
its timestamp; a Parallel or Map runs only what did not succeed in it, unless the payload limit was what failed it.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
"""

from datetime import datetime

from statemachines.interpreter.failure import DATA_LIMIT_EXCEEDED
from statemachines.interpreter.frame import Frame, Phase

MAX_REDRIVABLE_EVENTS = 24_998
"""A history must be below 24,999 events to be redriven: one more tells of it, and one must be left for the end."""

_DONE = (Phase.CLOSED, Phase.DONE)
_GOES_ON = (Phase.START, Phase.DONE, Phase.SUCCEEDED, Phase.MAPPED, Phase.JOIN, Phase.JOINED)
"""Nothing failed there: the execution ended before the next step was made."""


def reopen(frame: Frame, at: datetime) -> None:
    """Brings a frame that did not succeed, and what is below, to where it goes on from."""
    frame.retries = {}
    frame.retry_count = frame.aborts_written = 0
    frame.attempts += 1
    frame.begun_at = at
    limited = frame.failure is not None and frame.failure.error == DATA_LIMIT_EXCEEDED
    failed, frame.failure, frame.uncatchable = frame.failure is not None, None, False
    if frame.phase in _GOES_ON and not failed:
        return
    if frame.run is not None and not limited:
        _reopen_run(frame, at)
    elif (frame.lost or frame.phase == Phase.CHILDREN) and not limited:
        _reopen_children(frame, at)
    else:
        frame.reset()
        frame.phase = Phase.ENTERED


def _reopen_run(frame: Frame, at: datetime) -> None:
    run = frame.run
    assert run is not None  # noqa: S101 - for the type checker: the caller has looked
    run.loaded, run.unannounced = False, True
    run.redrives += 1
    run.redriven_at = at
    frame.children = []
    frame.open = 0
    frame.phase = Phase.CHILDREN


def _reopen_children(frame: Frame, at: datetime) -> None:
    frame.children, frame.lost = frame.lost or frame.children, []
    for child in frame.children:
        if child.phase not in _DONE:
            reopen(child, at)
    frame.open = sum(child.phase != Phase.CLOSED for child in frame.children)
    begun = frame.state is None or frame.state.type == "Parallel" or frame.begun == frame.length
    frame.phase = Phase.JOIN if begun and frame.open == 0 else Phase.CHILDREN
