"""Random machines of every state type, killed at random points, again and again, until they come to their end."""

import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from tests.interpreter.harness import (
    EXECUTION,
    LAMBDA,
    Case,
    HandsOver,
    Log,
    Outcome,
    Played,
    Raises,
    Returns,
    beats,
    fails,
    play,
    succeeds,
)
from tests.interpreter.test_recovery import given_away, told

MACHINES = 100
KILLS = 4
ERRORS = ["Bad", "Worse", "States.ALL", "States.TaskFailed", "States.Timeout"]


class Maker:
    """Makes a machine, and what its tasks do, from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = 0
        self.tasks: dict[str, Any] = {}

    def case(self) -> Case:
        machine = self.machine(depth=3)
        return Case(
            "random", _first(machine), input=[1, 2, 3], tasks=self.tasks, timeout=self.random.choice([None, 60])
        )

    def machine(self, depth: int) -> dict[str, Any]:
        names = [self.name() for _ in range(self.random.randint(1, 3))]
        states = {}
        for place, name in enumerate(names):
            after = names[place + 1] if place + 1 < len(names) else None
            states |= self.state(name, after, depth)
        return {"StartAt": names[0], "States": states}

    def name(self) -> str:
        self.names += 1
        return f"s{self.names}"

    def state(self, name: str, after: str | None, depth: int) -> dict[str, Any]:
        kinds = ["Pass", "Task", "Task", "Wait", "Choice", "Callback"]
        kinds += ["Parallel", "Map", "Distributed"] if depth else []
        kind = self.random.choice(kinds)
        way = {"Next": after} if after else {"End": True}
        if kind == "Choice":
            return self.choice(name, after)
        return {name: {**self.of_kind(kind, name, depth), **way}}

    def of_kind(self, kind: str, name: str, depth: int) -> dict[str, Any]:
        makers = {"Pass": self.pass_, "Task": self.task, "Wait": self.wait, "Callback": self.callback}
        makers |= {"Parallel": self.parallel, "Map": self.map, "Distributed": self.distributed}
        return makers[kind](name, depth)

    def choice(self, name: str, after: str | None) -> dict[str, Any]:
        other = self.name()
        way = {"Next": after} if after else {"End": True}
        rule = {"Condition": f"{{% $random({self.names}) > 0.5 %}}", "Next": other}
        both = {"Type": "Choice", "Choices": [rule], "Default": after or f"{other}x"}
        more = {} if after else {f"{other}x": {"Type": "Succeed"}}
        return {name: both, other: {"Type": "Pass", "Assign": {other: 1}, **way}, **more}

    def guards(self) -> dict[str, Any]:
        retry = [{"ErrorEquals": [self.random.choice(ERRORS)], "MaxAttempts": self.random.randint(0, 2)}]
        return {"Retry": retry} if self.random.random() < 0.6 else {}

    def pass_(self, name: str, depth: int) -> dict[str, Any]:
        return {"Type": "Pass", "Assign": {f"v{name}": "{% $states.input %}"}, "Output": "{% $states.input %}"}

    def wait(self, name: str, depth: int) -> dict[str, Any]:
        return {"Type": "Wait", "Seconds": self.random.randint(0, 4)}

    def task(self, name: str, depth: int) -> dict[str, Any]:
        self.tasks[name] = self.outcomes([Returns(name, self.seconds()), Returns(name, 0.01), Raises("Bad", "b", 0.5)])
        call = {"FunctionName": "f", "Payload": [name, "{% $states.input %}"]}
        return {"Type": "Task", "Resource": LAMBDA, "Arguments": call, "Output": "{% $states.input %}", **self.guards()}

    def callback(self, name: str, depth: int) -> dict[str, Any]:
        says = [(succeeds(name, self.seconds()),), (fails("Worse", "w", 1),), (*beats(2, 4), succeeds(name, 5)), ()]
        self.tasks[name] = self.outcomes([HandsOver(each) for each in says])
        times = {"TimeoutSeconds": 9, "HeartbeatSeconds": 3}
        call = {"FunctionName": "f", "Payload": "{% $states.context.Task.Token %}"}
        return {
            "Type": "Task",
            "Resource": f"{LAMBDA}.waitForTaskToken",
            "Arguments": call,
            "Output": "{% $states.input %}",
            **times,
            **self.guards(),
        }

    def parallel(self, name: str, depth: int) -> dict[str, Any]:
        branches = [self.machine(depth - 1) for _ in range(self.random.randint(1, 3))]
        return {"Type": "Parallel", "Branches": branches, "Output": "{% $states.input %}", **self.guards()}

    def map(self, name: str, depth: int) -> dict[str, Any]:
        return {
            "Type": "Map",
            "Items": [1, 2, 3],
            "MaxConcurrency": self.random.randint(0, 2),
            "ItemProcessor": self.machine(depth - 1),
            "Output": "{% $states.result %}",
            **self.guards(),
        }

    def distributed(self, name: str, depth: int) -> dict[str, Any]:
        config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        processor = {"ProcessorConfig": config, **self.machine(depth - 1)}
        return {**self.map(name, depth), "ItemProcessor": processor, "ToleratedFailureCount": self.random.randint(0, 2)}

    def outcomes(self, allowed: list[Outcome]) -> list[Outcome]:
        return [self.random.choice(allowed) for _ in range(3)]

    def seconds(self) -> float:
        return self.random.choice([0.0, 0.3, 1.0, 2.5])


def _first(machine: dict[str, Any]) -> dict[str, Any]:
    """States with the one to start at in front."""
    start = machine["StartAt"]
    return {start: machine["States"][start], **machine["States"]}


def killed(case: Case, dice: random.Random) -> Played:
    """Runs it, and cuts what is on disk at a random point, several times; then to its end."""
    log: Log = []
    said: list[Any] = []
    for _ in range(KILLS):
        run = play(case, log=log, said=given_away(log, said))
        said += [each for each in run.runner.said if each not in said]
        log = run.journal.log[: dice.randint(max(1, len(log)), len(run.journal.log) - 1)]
    return play(case, log=log, said=given_away(log, said))


@pytest.mark.parametrize("seed", range(MACHINES))
def test_it_comes_to_the_same_end(seed: int):
    case = Maker(seed).case()
    whole = play(case)
    run = killed(case, random.Random(seed))

    events = run.journal.of(EXECUTION)
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    ends = Counter(event.type for event in events if event.type.startswith("Execution"))
    assert sum(ends.values()) == 2  # one start, one end
    for each in {each for each, _ in run.journal.log}:
        ids = [event.id for event in run.journal.of(each)]
        assert ids == list(range(1, len(ids) + 1))
    if case.timeout is None and whole.change.error is None:
        assert run.change.result == whole.change.result


def one_at_a_time(run: Played) -> bool:
    """Whether no two things happened at the same moment: their order is nobody's promise."""
    kinds = ("TaskSucceeded", "TaskFailed", "TaskTimedOut", "WaitStateExited")
    return max(Counter(event.timestamp for _, event in run.journal.log if event.type in kinds).values(), default=0) < 2


@pytest.mark.parametrize("seed", range(MACHINES))
def test_parked_or_not_its_history_is_the_same(seed: int):
    case = Maker(seed).case()
    free, parked = play(case), play(case, park_after=timedelta(0))

    assert parked.change == free.change
    if one_at_a_time(free):
        assert Counter(event.type for _, event in told(parked)) == Counter(event.type for _, event in told(free))


def test_the_load_is_mixed():
    machines = [str(Maker(seed).case().document()) for seed in range(MACHINES)]

    for kind in ("Parallel", "'Map'", "DISTRIBUTED", "waitForTaskToken", "Choice", "Retry"):
        assert sum(kind in machine for machine in machines) > MACHINES / 10, kind
    assert sum(one_at_a_time(play(Maker(seed).case())) for seed in range(MACHINES)) > MACHINES / 10
    ends = Counter(play(Maker(seed).case()).change.status for seed in range(MACHINES))
    assert min(ends["succeeded"], ends["failed"]) > MACHINES / 10
