"""What flow control promises, under arrivals that hypothesis makes up, on a simulated clock."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.executions.flow import Action
from shared.executions.flow_simulation import SimulatedArrival, Simulation, Step
from shared.executions.records import Priority
from shared.workflow.flow_control import Batch, Concurrency, Debounce, FlowControl, RateLimit, Throttle

T0 = datetime(2026, 11, 23, tzinfo=UTC)
SECONDS = st.integers(min_value=1, max_value=20)
LIMITS = st.integers(min_value=1, max_value=4)

concurrency = st.none() | st.builds(Concurrency, limit=LIMITS)
throttle = st.none() | st.builds(Throttle, limit=LIMITS, period_seconds=SECONDS)
rate_limit = st.none() | st.builds(RateLimit, limit=LIMITS, period_seconds=SECONDS)
debounce = st.builds(Debounce, period_seconds=SECONDS, max_wait_seconds=st.none() | SECONDS)
batch = st.builds(Batch, max_size=st.integers(min_value=2, max_value=5), max_wait_seconds=SECONDS)
holds = st.one_of(st.just({}), st.fixed_dictionaries({"debounce": debounce}), st.fixed_dictionaries({"batch": batch}))


@st.composite
def controls(draw: st.DrawFn, hold: st.SearchStrategy[dict[str, object]] = holds) -> FlowControl:
    limits = {"concurrency": draw(concurrency), "throttle": draw(throttle), "rate_limit": draw(rate_limit)}
    return FlowControl(**limits, **draw(hold))  # type: ignore[arg-type] - one of the two kinds of hold


@st.composite
def arrival_lists(draw: st.DrawFn) -> list[SimulatedArrival]:
    """In the order of their times, which are often the same or exactly a period apart."""
    gaps = draw(st.lists(st.integers(min_value=0, max_value=8), max_size=25))
    at, found = T0, []
    for number, gap in enumerate(gaps):
        at += timedelta(seconds=gap)
        found.append(
            SimulatedArrival(
                id=f"a{number:02}",
                at=at,
                key=draw(st.sampled_from("xy")),
                priority=draw(st.sampled_from(Priority)),
                duration=timedelta(seconds=draw(st.integers(min_value=0, max_value=15))),
            )
        )
    return found


def of(timeline: list[Step], key: str, *actions: str) -> list[Step]:
    return [each for each in timeline if each.key == key and each.action in actions]


@settings(max_examples=300, deadline=None)
@given(controls(), arrival_lists())
def test_never_above_a_limit(control: FlowControl, arrivals: list[SimulatedArrival]):
    timeline = Simulation(control).run(arrivals)

    for key in "xy":
        running = most = 0
        for step in of(timeline, key, Action.BEGUN, "ended"):
            running += 1 if step.action == Action.BEGUN else -1
            most = max(most, running)
        assert control.concurrency is None or most <= control.concurrency.limit
        begun = [step.at for step in of(timeline, key, Action.BEGUN)]
        refused = {step.id for step in of(timeline, key, Action.REFUSED)}
        taken = [each.at for each in arrivals if each.key == key and each.id not in refused]
        for limit, times in ((control.throttle, begun), (control.rate_limit, taken)):
            if limit is not None:
                period = timedelta(seconds=limit.period_seconds)
                assert all(later - first >= period for first, later in zip(times, times[limit.limit :], strict=False))


@settings(max_examples=300, deadline=None)
@given(controls(), arrival_lists())
def test_nothing_is_lost_and_nothing_begins_twice(control: FlowControl, arrivals: list[SimulatedArrival]):
    timeline = Simulation(control).run(arrivals)

    begun = [step.id for step in timeline if step.action is Action.BEGUN]
    merged = {step.id: step.into for step in timeline if step.action is Action.MERGED}
    refused = [step.id for step in timeline if step.action is Action.REFUSED]
    assert len(begun) == len(set(begun))
    assert sorted([*begun, *merged, *refused]) == sorted(each.id for each in arrivals)
    assert set(merged.values()) <= set(begun)
    assert control.rate_limit is not None or refused == []


@settings(max_examples=300, deadline=None)
@given(controls(), arrival_lists())
def test_order_is_kept_within_a_key_and_a_priority(control: FlowControl, arrivals: list[SimulatedArrival]):
    timeline = Simulation(control).run(arrivals)

    held = control.debounce is not None or control.batch is not None
    priorities = {each.id: each.priority for each in arrivals}
    ranks: dict[tuple[str, object], list[str]] = defaultdict(list)
    for step in timeline:
        if step.action is Action.BEGUN:
            ranks[step.key, None if held else priorities[step.id]].append(step.id)
    if not held or len({each.priority for each in arrivals}) <= 1:
        assert all(ids == sorted(ids) for ids in ranks.values())


@settings(max_examples=300, deadline=None)
@given(controls(), arrival_lists())
def test_what_begins_is_the_most_urgent_that_waits(control: FlowControl, arrivals: list[SimulatedArrival]):
    if control.debounce is not None or control.batch is not None:
        return
    waiting: dict[str, dict[str, Priority]] = defaultdict(dict)
    priorities = {each.id: each.priority for each in arrivals}
    for step in Simulation(control).run(arrivals):
        if step.action is Action.WAITING:
            waiting[step.key][step.id] = priorities[step.id]
        elif step.action is Action.BEGUN:
            waiting[step.key].pop(step.id, None)
            assert all(priorities[step.id] >= other for other in waiting[step.key].values())


@settings(max_examples=300, deadline=None)
@given(controls(st.fixed_dictionaries({"debounce": debounce})), arrival_lists())
def test_debounce_emits_the_last_of_each_burst(control: FlowControl, arrivals: list[SimulatedArrival]):
    """Without other limits: a burst ends where nothing came for a period, or where the longest wait is over."""
    control = control.model_copy(update={"concurrency": None, "throttle": None, "rate_limit": None})
    debounce = control.debounce
    assert debounce is not None
    timeline = Simulation(control).run(arrivals)

    for key in "xy":
        ours = [each for each in arrivals if each.key == key]
        bursts: list[list[SimulatedArrival]] = []
        for each in ours:
            if bursts and each.at < _due(debounce, bursts[-1]):
                bursts[-1].append(each)
            else:
                bursts.append([each])
        begun = of(timeline, key, Action.BEGUN)
        assert [(step.id, step.at) for step in begun] == [(burst[0].id, _due(debounce, burst)) for burst in bursts]
        stands_for = {step.into: step.id for step in of(timeline, key, Action.MERGED)}
        assert [stands_for.get(burst[0].id, burst[0].id) for burst in bursts] == [burst[-1].id for burst in bursts]


def _due(debounce: Debounce, burst: list[SimulatedArrival]) -> datetime:
    due_at = burst[-1].at + timedelta(seconds=debounce.period_seconds)
    if debounce.max_wait_seconds is None:
        return due_at
    return min(due_at, burst[0].at + timedelta(seconds=debounce.max_wait_seconds))


@settings(max_examples=300, deadline=None)
@given(controls(st.fixed_dictionaries({"batch": batch})), arrival_lists())
def test_a_batch_is_full_or_over_time_and_keeps_the_order(control: FlowControl, arrivals: list[SimulatedArrival]):
    control = control.model_copy(update={"concurrency": None, "throttle": None, "rate_limit": None})
    batch = control.batch
    assert batch is not None
    timeline = Simulation(control).run(arrivals)

    times = {each.id: each.at for each in arrivals}
    for key in "xy":
        groups: dict[str, list[str]] = {}
        for step in of(timeline, key, Action.HELD, Action.MERGED):
            groups.setdefault(step.into or step.id, []).append(step.id)
        begun = {step.id: step.at for step in of(timeline, key, Action.BEGUN)}
        assert [id_ for group in groups.values() for id_ in group] == sorted(
            each.id for each in arrivals if each.key == key
        )
        for first, group in groups.items():
            late = times[first] + timedelta(seconds=batch.max_wait_seconds)
            assert len(group) <= batch.max_size
            assert begun[first] == (times[group[-1]] if len(group) == batch.max_size else late)


@settings(max_examples=200, deadline=None)
@given(controls(), arrival_lists())
def test_time_never_runs_backwards_and_keys_do_not_touch_one_another(
    control: FlowControl, arrivals: list[SimulatedArrival]
):
    timeline = Simulation(control).run(arrivals)
    alone = [step for key in "xy" for step in Simulation(control).run([each for each in arrivals if each.key == key])]

    assert all(before.at <= after.at for before, after in pairwise(timeline))
    assert sorted(map(repr, timeline)) == sorted(map(repr, alone))


@settings(max_examples=200, deadline=None)
@given(controls(), arrival_lists())
def test_what_waits_begins_as_soon_as_there_is_room(control: FlowControl, arrivals: list[SimulatedArrival]):
    timeline = Simulation(control).run(arrivals)

    if control.concurrency is None and control.throttle is None:
        assert [step for step in timeline if step.action is Action.WAITING] == []
    refusals = [step for step in timeline if step.action is Action.REFUSED]
    assert all(step.until is not None and step.until > step.at for step in refusals)
