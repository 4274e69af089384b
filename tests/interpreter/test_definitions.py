"""The machines that are the same for all workflows, in virtual time; what they call says what it says here."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.errors import PlatformError, tree
from shared.errors import retryable_error_names as of_nodes
from shared.executions.records import ExecutionStatus
from statemachines.asl.limits import MAX_HISTORY_EVENTS
from tests.interpreter.harness import Case, HandsOver, Played, Raises, Returns, play
from tests.support.asl_validators import AslValidators, asl_validators

REPEAT: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "statemachines" / "definitions" / "repeat.asl.json").read_text()
)
STATES = REPEAT["States"]
GIVEN = {"id": "b", "project_id": "p", "idle": 0, "name": "b-again", "rounds": 0, "handed_over": 0}
DONE = {"done": True, "seconds": 0, "idle": 0}
STARTED = HandsOver(result={"ExecutionArn": "a", "StartDate": 1})


def later(seconds: int, idle: int) -> Returns:
    return Returns({"done": False, "seconds": seconds, "idle": idle})


def played(step: Any, *, given: Any = None, over: Any = STARTED) -> Played:
    return play(Case("repeat", STATES, given or GIVEN, {"Step": step, "Hand over": [over]}))


@pytest.fixture(scope="module")
def validators() -> Iterator[AslValidators]:
    with asl_validators() as running:
        yield running


def test_validators_of_others_accept_it(validators: AslValidators):
    assert validators.errors(REPEAT) == []


def test_it_calls_again_after_as_long_as_it_is_told_and_ends_when_it_is_done():
    answers = iter([later(2, 1), later(4, 2), later(0, 0), Returns({**DONE, "after": 7})])

    run = played(lambda payload, attempt: next(answers))

    payloads = [call.arguments["Payload"] for call in run.runner.calls]
    assert [(each["idle"], each["rounds"]) for each in payloads] == [(0, 0), (1, 1), (2, 2), (0, 3)]
    assert all(each["id"] == "b" for each in payloads)
    assert (run.change.status, run.change.result["after"], run.seconds) == (ExecutionStatus.SUCCEEDED, 7, 6)


def test_a_store_that_is_away_for_three_hours_is_waited_for():
    def away(payload: Any, attempt: int) -> Raises | Returns:
        return Raises("StoreUnavailable") if attempt < 20 else Returns(DONE)

    run = played(away)

    assert run.change.status is ExecutionStatus.SUCCEEDED
    assert 3 * 3600 < run.seconds < 4 * 3600


def test_a_function_that_dies_is_called_again_and_one_that_always_does_is_given_up():
    dies = Raises("Sandbox.Timedout")

    assert played([dies, dies, Returns(DONE)]).change.status is ExecutionStatus.SUCCEEDED
    given_up = played([dies])
    assert (given_up.change.error or {})["name"] == "Sandbox.Timedout"
    assert len(given_up.runner.calls) == 5


def test_it_tries_again_what_is_worth_it():
    """As compiled workflows do; for stores in the place of nodes."""
    ours = [error.__name__ for error in tree(PlatformError) if error.retryable]
    of_lambda = [name for name in of_nodes() if "." in name]

    assert STATES["Step"]["Retry"][0]["ErrorEquals"] == [*ours, *of_lambda]


def test_a_long_run_is_handed_over_to_a_fresh_execution_of_the_same_machine():
    run = played(lambda payload, attempt: later(2, 1), given={**GIVEN, "handed_over": 3})

    *steps, handed = run.runner.calls
    assert (len(steps), handed.state) == (250, "Hand over")
    assert handed.arguments["StateMachineArn"].endswith(":stateMachine:flow")
    assert handed.arguments["Name"] == "b-again_4"
    assert len(f"{'0' * 36}-{'0' * 12}_{10**6}") <= 80, "a name has 80 characters at most"
    assert handed.arguments["Input"] == {**GIVEN, "done": False, "seconds": 2, "idle": 1, "rounds": 0, "handed_over": 4}


def test_one_that_was_handed_over_before_is_not_handed_over_twice():
    run = played(lambda payload, attempt: later(0, 0), over=Raises("StepFunctions.ExecutionAlreadyExistsException"))

    assert (run.change.status, len(run.runner.calls)) == (ExecutionStatus.SUCCEEDED, 251)


def test_no_history_comes_to_as_many_events_as_there_may_be():
    """Each attempt of a task is scheduled, started and ended; entering and leaving a state are two more."""
    quiet = len(played(lambda payload, attempt: later(0, 0)).journal.events)
    again, over = (sum(each["MaxAttempts"] for each in STATES[name]["Retry"]) for name in ("Step", "Hand over"))

    assert quiet == 1 + 250 * (5 + 2 + 2) - 2 + 5 + 2 + 1, "the last round hands over in the place of waiting"
    assert quiet + 250 * again * 3 + over * 3 < MAX_HISTORY_EVENTS
