"""Node runs from histories in AWS's shape."""

from shared.executions.node_runs import ExecutionChange, NodeChange
from shared.executions.projector import Projector, end_of, project, whole
from shared.executions.records import Execution, ExecutionStatus
from tests.support.history import START, History, source_map


def by_node(runs):
    return {run.node: run for run in runs}


def test_a_task_tells_its_config_output_meta_attempts_and_times():
    history = History()
    history.add("ExecutionStarted", input="{}")
    history.entered("Task", "call", data={"anything": 1})
    history.scheduled("call", {"url": "http://127.0.0.1/"})
    history.add("TaskStarted")
    history.succeeded({"status": 200}, {"bytes": 12})
    history.exited("Task", "call", {"status": 200}, call={"status": 200})
    history.add("ExecutionSucceeded", output='{"done": true}')

    (run,) = project(source_map("call"), history.events)

    assert (run.status, run.attempts, run.iteration, run.error) == ("succeeded", 1, None, None)
    assert run.input == {"url": "http://127.0.0.1/"}
    assert run.output == {"status": 200}
    assert run.meta == {"bytes": 12}
    assert run.started_at == history.events[1].timestamp
    assert run.completed_at == history.events[5].timestamp
    assert run.duration_ms == 40.0


def test_retries_are_attempts_of_one_run():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Task", "call")
    history.scheduled("call")
    history.failed("DestinationTimeout", "slow")
    history.scheduled("call")
    history.add("TaskTimedOut", error="States.Timeout", cause="")
    history.scheduled("call")
    history.succeeded(1)
    history.exited("Task", "call", 1, call=1)

    (run,) = project(source_map("call"), history.events)

    assert (run.status, run.attempts, run.error, run.output) == ("succeeded", 3, None, 1)


def test_the_failure_that_ends_the_execution_is_the_nodes_and_what_follows_is_skipped():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Task", "call")
    history.scheduled("call")
    history.failed("DestinationRefused", '{"errorMessage": "404"}')
    history.add("ExecutionFailed", error="DestinationRefused", cause='{"errorMessage": "404"}')

    runs = by_node(project(source_map("call", "after"), history.events))

    assert runs["call"].status == "failed"
    assert runs["call"].error == {"name": "DestinationRefused", "cause": '{"errorMessage": "404"}'}
    assert runs["after"].status == "skipped"
    assert runs["after"].started_at is None


def test_a_state_that_fails_without_a_task_gets_the_executions_error():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Choice", "route")
    history.add("ExecutionFailed", error="States.Runtime", cause="no case matches")

    (run,) = project(source_map("route"), history.events)

    assert (run.status, run.error) == ("failed", {"name": "States.Runtime", "cause": "no case matches"})


def test_a_caught_failure_stays_a_failure_with_the_output_that_later_nodes_read():
    caught = {"error": {"name": "DestinationRefused", "cause": "404"}}
    history = History()
    history.add("ExecutionStarted")
    history.entered("Task", "call")
    history.scheduled("call")
    history.failed("DestinationRefused", "404")
    history.exited("Task", "call", caught, call=caught)
    history.add("ExecutionSucceeded", output="{}")

    (run,) = project(source_map("call", fused={"call": ["tidy"]}), history.events)[:1]
    tidy = project(source_map("call", fused={"call": ["tidy"]}), history.events)[1]

    assert (run.status, run.output, run.error) == ("failed", caught, {"name": "DestinationRefused", "cause": "404"})
    assert tidy.status == "skipped"


def test_fused_nodes_complete_from_the_variables_of_the_state_they_are_in():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Task", "call")
    history.scheduled("call")
    history.succeeded({"n": 1})
    history.exited("Task", "call", "for the next state", call={"n": 1}, shape=[1], route={"case": "few"})
    history.add("ExecutionSucceeded", output="{}")

    runs = by_node(project(source_map("call", fused={"call": ["shape", "route"]}), history.events))

    assert runs["call"].output == {"n": 1}
    assert (runs["shape"].status, runs["shape"].output, runs["shape"].attempts) == ("succeeded", [1], 1)
    assert runs["route"].output == {"case": "few"}
    assert runs["shape"].started_at == runs["shape"].completed_at == history.events[4].timestamp


def test_concurrent_branches_are_told_apart_by_their_predecessors():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Parallel", "fork.1")
    fork = history.add("ParallelStateStarted")
    left = history.entered("Task", "left", after=fork)
    right = history.entered("Task", "right", after=fork)
    left = history.scheduled("left", {"side": "l"}, after=left)
    right = history.scheduled("right", {"side": "r"}, after=right)
    right = history.failed("DestinationTimeout", after=right)
    left = history.succeeded("L", after=left)
    right = history.scheduled("right", {"side": "r"}, after=right)
    history.exited("Task", "left", "L", after=left, left="L")
    right = history.succeeded("R", after=right)
    history.exited("Task", "right", "R", after=right, right="R")
    history.add("ParallelStateSucceeded")
    history.exited("Parallel", "fork.1", ["L", "R"])
    history.task("join", "LR")
    history.add("ExecutionSucceeded", output='"LR"')

    runs = by_node(project(source_map("left", "right", "join"), history.events))

    assert {n: (r.status, r.attempts, r.output) for n, r in runs.items()} == {
        "left": ("succeeded", 1, "L"),
        "right": ("succeeded", 2, "R"),
        "join": ("succeeded", 1, "LR"),
    }
    assert runs["right"].input == {"side": "r"}


def test_a_branch_that_fails_cancels_its_sibling():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Parallel", "both")
    fork = history.add("ParallelStateStarted")
    bad = history.entered("Task", "bad", after=fork)
    slow = history.entered("Task", "slow", after=fork)
    history.scheduled("slow", after=slow)
    bad = history.scheduled("bad", after=bad)
    bad = history.failed("NodeBug", "boom", after=bad)
    history.add("ParallelStateFailed", after=bad)
    history.add("ExecutionFailed", error="NodeBug", cause="boom")

    runs = by_node(project(source_map("both", "bad", "slow"), history.events))

    assert {n: r.status for n, r in runs.items()} == {"both": "failed", "bad": "failed", "slow": "cancelled"}
    assert runs["both"].error == {"name": "NodeBug", "cause": "boom"}


def test_a_container_that_catches_what_failed_inside_has_failed():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Parallel", "both")
    fork = history.add("ParallelStateStarted")
    history.entered("Task", "bad", after=fork)
    history.scheduled("bad")
    history.failed("NodeBug", "boom")
    history.exited("Parallel", "both", {"error": {}}, both={"error": {}})
    history.add("ExecutionSucceeded", output="{}")

    runs = by_node(project(source_map("both", "bad"), history.events))

    assert (runs["both"].status, runs["both"].output) == ("failed", {"error": {}})
    assert runs["bad"].status == "failed"


def test_each_iteration_of_a_map_has_its_own_run():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Map", "each", data=[1, 2])
    started = history.add("MapStateStarted", length=2)
    first = history.add("MapIterationStarted", after=started, name="each", index=0)
    second = history.add("MapIterationStarted", after=started, name="each", index=1)
    end = history.task("body", "one", after=first)
    history.add("MapIterationSucceeded", after=end, name="each", index=0)
    end = history.task("body", "two", after=second)
    history.add("MapIterationSucceeded", after=end, name="each", index=1)
    history.add("MapStateSucceeded")
    history.exited("Map", "each", ["one", "two"], each=["one", "two"])
    history.add("ExecutionSucceeded", output="[]")

    runs = project(source_map("each", "body"), history.events)

    assert [(r.node, r.iteration, r.status, r.output) for r in runs] == [
        ("each", None, "succeeded", ["one", "two"]),
        ("body", 0, "succeeded", "one"),
        ("body", 1, "succeeded", "two"),
    ]


def test_a_failed_iteration_does_not_touch_the_others():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Map", "each")
    started = history.add("MapStateStarted", length=2)
    first = history.add("MapIterationStarted", after=started, name="each", index=0)
    second = history.add("MapIterationStarted", after=started, name="each", index=1)
    history.entered("Task", "body", after=first)
    history.scheduled("body")
    failed = history.failed("NodeBug", "boom")
    history.add("MapIterationFailed", after=failed, name="each", index=0)
    end = history.task("body", 2, after=second)
    history.add("MapIterationSucceeded", after=end, name="each", index=1)

    runs = project(source_map("each", "body"), history.events)

    assert [(r.node, r.iteration, r.status) for r in runs] == [
        ("each", None, "running"),
        ("body", 0, "failed"),
        ("body", 1, "succeeded"),
    ]


def test_rounds_of_a_choice_loop_are_iterations():
    history = History()
    history.add("ExecutionStarted")
    for round_ in range(3):
        history.entered("Choice", "again")
        history.exited("Choice", "again")
        history.task("body", round_)

    in_while = source_map("body")
    in_while["nodes"]["body"]["rounds"] = True
    runs = [r for r in project(in_while, history.events) if r.node == "body"]

    assert [(r.iteration, r.output) for r in runs] == [(0, 0), (1, 1), (2, 2)]


def test_helper_states_belong_to_the_nodes_run():
    states = {
        "fetch": {"node": "fetch", "role": "main", "fused": []},
        "fetch.caught": {"node": "fetch", "role": "caught", "fused": []},
    }
    history = History()
    history.add("ExecutionStarted")
    history.entered("Task", "fetch")
    history.scheduled("fetch")
    history.failed("NodeBug", "boom")
    history.exited("Task", "fetch", {"raw": 1})
    history.entered("Pass", "fetch.caught")
    history.exited("Pass", "fetch.caught", None, fetch={"error": {"name": "NodeBug"}})

    (run,) = project({"states": states, "nodes": {"fetch": {"type": "webhook"}}}, history.events)

    assert (run.status, run.attempts, run.output) == ("failed", 1, {"error": {"name": "NodeBug"}})


def test_unfinished_executions_have_running_and_pending_nodes():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Task", "call")
    history.scheduled("call")

    runs = by_node(project(source_map("call", "after"), history.events))

    assert {n: r.status for n, r in runs.items()} == {"call": "running", "after": "pending"}


def test_a_cancelled_execution_cancels_what_was_running():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Task", "call")
    history.scheduled("call")
    history.add("ExecutionAborted", cause="Cancelled on request.")

    (run,) = project(source_map("call"), history.events)

    assert (run.status, run.error) == ("cancelled", None)


def test_changes_are_told_one_event_at_a_time_and_do_not_change_afterwards():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Task", "call")
    history.scheduled("call")
    history.failed("DestinationTimeout", "slow")
    history.scheduled("call")
    history.succeeded("ok")
    history.exited("Task", "call", "ok", call="ok")
    history.add("ExecutionSucceeded", output='"ok"')
    projector = Projector(source_map("call", "never"))

    told = [change for event in history.events for change in projector.feed(event)]

    assert [
        (c.run.node, c.run.status.value, c.run.attempts, bool(c.run.error)) if isinstance(c, NodeChange) else c.status
        for c in told
    ] == [
        "running",
        ("call", "running", 1, False),
        ("call", "running", 1, True),
        ("call", "running", 2, False),
        ("call", "succeeded", 2, False),
        ("never", "skipped", 0, False),
        "succeeded",
    ]
    assert isinstance(told[-1], ExecutionChange)
    assert told[-1].output == "ok"
    assert [c.event_id for c in told] == [1, 3, 4, 5, 7, 8, 8]


def test_an_execution_cancelled_in_the_queue_ends_without_a_history():
    execution = _execution(ExecutionStatus.CANCELLED)

    (run,) = project(source_map("call"), whole(execution, []))

    assert run.status == "skipped"
    assert end_of(_execution(ExecutionStatus.RUNNING), 3) is None


def test_a_platform_failure_ends_what_was_running():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Task", "call")
    history.scheduled("call")
    execution = _execution(ExecutionStatus.FAILED, error={"name": "Millrace.InternalError", "cause": "see the log"})

    events = whole(execution, history.events)
    (run,) = project(source_map("call"), events)

    assert (events[-1].id, events[-1].type) == (4, "ExecutionFailed")
    assert run.status == "cancelled"


def test_payloads_that_were_cut_are_shown_as_they_are():
    history = History()
    history.add("ExecutionStarted")
    history.add("PassStateEntered", name="shape", input='{"cut": "of')
    history.add("PassStateExited", name="shape", output='[1, 2, "th')

    (run,) = project(source_map("shape"), history.events)

    assert (run.input, run.output) == ('{"cut": "of', '[1, 2, "th')


def _execution(status, error=None):
    return Execution(
        id="e", project_id="p", workflow_id="w", workflow_name="n", version=1, status=status, trigger_id=None,
        context={}, input=None, result=None, error=error, created_at=START, started_at=START, completed_at=START,
    )  # fmt: skip
