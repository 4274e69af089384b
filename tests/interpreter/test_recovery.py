"""An execution is resumed from its history alone, wherever that was cut."""

import importlib
from collections import Counter
from collections.abc import Iterator, Sequence

import orjson
import pytest

from shared.executions.records import TaskCompletion
from tests.interpreter.harness import (
    EXECUTION,
    TOKENS,
    Case,
    Log,
    Played,
    Raises,
    Returns,
    branch,
    ending,
    pass_,
    play,
    play_redriven,
    task,
)

MODULES = [
    "integrations",
    "batches",
    "pass",
    "choice",
    "task",
    "wait",
    "retry",
    "parallel",
    "map",
    "callback",
    "distributed",
    "redrive",
    "limits",
]


def cases() -> Iterator[Case]:
    for name in MODULES:
        yield from importlib.import_module(f"tests.interpreter.test_{name}").CASES


ANSWERS = ("TaskSucceeded", "TaskFailed", "TaskTimedOut", "TaskSubmitted", "TaskSubmitFailed")


def answers(log: Log) -> int:
    """How many calls have answered, and so are not made again."""
    waiting = ("waitForTaskToken", ".sync", ".sync:2")
    found = 0
    for _, event in log:
        handed = str(event.details.get("resource", "")).endswith(waiting)
        found += event.type in (ANSWERS[3:] if handed else ANSWERS)
    return found


def given_away(log: Log, said: Sequence[TaskCompletion]) -> list[TaskCompletion]:
    """What can have been said when no more than this is on disk: a token is given away once its start is written."""
    started: Counter[tuple[str, int]] = Counter()
    events = {(each, event.id): event for each, event in log}
    for each, event in log:
        if event.type == "TaskStarted":
            entered = event
            while entered.type != "TaskStateEntered":
                entered = events[each, entered.previous_id]
            started[each, entered.id] += 1
    tokens = {
        TOKENS.mint(EXECUTION, entered, attempt, child="" if each == EXECUTION else each)
        for (each, entered), count in started.items()
        for attempt in range(count)
    }
    return [completion for completion in said if completion.token in tokens]


def shapes(log: Log) -> Counter[tuple[str, str, str | None]]:
    """Types with the names of states: concurrent branches may interleave in another way after a restart."""
    return Counter((each, event.type, event.details.get("name")) for each, event in log)


def told(run: Played) -> Log:
    """What a history has to tell. Whether an item of a failed Map Run was aborted, a crash may leave open."""
    aborted = any(event.type in ("MapRunFailed", "MapRunAborted") for _, event in run.journal.log)
    return [(each, event) for each, event in run.journal.log if each == EXECUTION or not aborted]


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_cut_at_every_event(case: Case):
    """What is on disk leads to the same end, wherever that is cut, and no call that has answered is repeated."""
    first = [] if case.redriven is None else play(case).journal.log
    whole = play(case) if case.redriven is None else play_redriven(case)
    log, said = whole.journal.log, whole.runner.said
    for length in range(len(first) or 1, len(log) + (not first)):
        heard = given_away(log[:length], said)
        run = play(case, log=log[:length], said=heard, redrive=case.redriven is not None)
        assert run.change.status == whole.change.status, length
        assert run.change.result == whole.change.result, length
        assert run.change.error == whole.change.error, length
        for each in {each for each, _ in run.journal.log}:
            events = run.journal.of(each)
            assert [event.id for event in events] == list(range(1, len(events) + 1)), length
        assert shapes(told(run)) == shapes(told(whole)), length
        calls = len(whole.runner.calls)
        assert len(run.runner.calls) >= answers(run.journal.log) - answers(log[:length]), length
        assert len(run.runner.calls) <= calls - answers(log[:length]) + answers(first), length


def test_a_finished_task_is_not_called_again_and_an_unfinished_one_is():
    case = Case(
        "two",
        {"a": task(1, Next="b"), "b": task(2, Next="c"), "c": task(3)},
        tasks={name: [Returns(name)] for name in "abc"},
    )
    history = play(case).journal.events
    called = {
        length: "".join(call.state for call in play(case, history[:length]).runner.calls)
        for length in range(1, len(history) + 1)
    }

    assert called[3] == called[4] == "abc"  # scheduled, started
    assert called[5] == called[9] == "bc"  # a succeeded; b started
    assert called[10] == "c"
    assert called[15] == called[17] == ""


def test_the_arguments_of_a_call_that_was_scheduled_are_not_evaluated_again():
    case = Case("once", {"a": task("{% $uuid() %}")}, tasks={"a": [Returns()]})
    whole = play(case)
    again = play(case, whole.journal.events[:4])

    assert again.runner.calls[0].arguments == whole.runner.calls[0].arguments


def test_an_unfinished_attempt_keeps_its_number():
    case = Case(
        "retry",
        {"a": task(Retry=[{"ErrorEquals": ["Bad"]}])},
        tasks={"a": [Raises("Bad"), Raises("Bad"), Returns()]},
    )
    history = play(case).journal.events
    cut = next(event.id for event in history if event.type == "TaskFailed") + 2  # the second attempt has started

    assert [call.attempt for call in play(case, history[:cut]).runner.calls] == [1, 2]


def test_a_wait_goes_on_with_the_time_that_is_left():
    case = Case(
        "wait",
        {
            "p": ending(
                {
                    "Type": "Parallel",
                    "Branches": [
                        branch(w=ending({"Type": "Wait", "Seconds": 100})),
                        branch(t=task(Next="u"), u=task()),
                    ],
                }
            )
        },
        tasks={"t": [Returns(seconds=30)], "u": [Returns(seconds=20)]},
    )
    history = play(case).journal.events
    cut = next(event.id for event in history if event.type == "TaskSucceeded")

    assert history[cut - 1].details["output"]
    assert play(case, history[:cut]).seconds == pytest.approx(70, abs=0.1)


def test_a_back_off_goes_on_with_the_time_that_is_left():
    case = Case(
        "back-off",
        {
            "p": ending(
                {
                    "Type": "Parallel",
                    "Branches": [
                        branch(f=task(Retry=[{"ErrorEquals": ["Bad"], "IntervalSeconds": 100, "MaxAttempts": 1}])),
                        branch(t=task()),
                    ],
                }
            )
        },
        tasks={"f": [Raises("Bad"), Returns()], "t": [Returns(seconds=40)]},
    )
    history = play(case).journal.events
    cut = next(event.id for event in history if event.type == "TaskSucceeded")

    assert play(case, history[:cut]).seconds == pytest.approx(60, abs=0.1)


def test_the_execution_time_limit_counts_from_the_start():
    case = Case(
        "limit",
        {"a": task(Next="w"), "w": ending({"Type": "Wait", "Seconds": 500})},
        tasks={"a": [Returns(seconds=40)]},
        timeout=100,
    )
    history = play(case).journal.events
    cut = next(event.id for event in history if event.type == "TaskSucceeded")

    run = play(case, history[:cut])
    assert run.types[-1] == "ExecutionTimedOut"
    assert run.seconds == pytest.approx(60, abs=0.1)


def test_what_was_assigned_is_not_evaluated_again():
    case = Case("uuid", {"a": pass_(Assign={"u": "{% $uuid() %}"}, Next="b"), "b": pass_(Output="{% $u %}")})
    history = play(case).journal.events

    assert play(case, history[:3]).change.result == orjson.loads(history[2].details["assignedVariables"]["u"])


def test_an_ended_history_gives_its_end():
    case = Case("ended", {"a": task()}, tasks={"a": [Raises("Bad", "b")]})
    run = play(case, play(case).journal.events)

    assert run.change.error == {"name": "Bad", "cause": "b"}
    assert run.runner.calls == []
    assert run.journal.events == []


def test_resuming_twice_is_like_resuming_once():
    case = Case(
        "twice",
        {
            "m": ending(
                {
                    "Type": "Map",
                    "MaxConcurrency": 2,
                    "Items": [1, 2, 3, 4, 5],
                    "ItemProcessor": branch(t=task("{% $states.input %}", Output="{% $states.result.Payload %}")),
                }
            )
        },
        tasks={"t": lambda payload, _: Returns(payload * 10, payload)},
    )
    whole = play(case)
    for first in range(1, len(whole.journal.events)):
        once = play(case, whole.journal.events[:first])
        history = [*whole.journal.events[:first], *once.journal.events]
        middle = (first + len(history)) // 2
        twice = play(case, history[:middle])
        assert twice.change.result == [10, 20, 30, 40, 50]
