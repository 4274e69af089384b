"""What a plan says of the shape."""

from typing import Any

from tests.compiler.golden import CASES
from tests.plan.runs import compiled, planner


def plan_of(case: str, **settings: Any):
    return planner(compiled((CASES / case / "workflow.yaml").read_text(), **settings)).plan()


def test_a_wave_names_who_waits_for_what_it_does_not_need():
    (barrier,) = plan_of("n_shape").barriers

    assert (barrier.of, barrier.waiting, barrier.transitions) == (["a", "b"], ["c"], 1)
    assert plan_of("n_shape").notes[-1].endswith("c waits for all of them, though not every one leads there.")


def test_branches_that_ask_whether_they_run_cost_more():
    wave, guarded = plan_of("condition_across_fork", optimize=False).barriers

    assert wave.waiting == ["alone"]
    assert guarded.gates == ["fork.2.branch_1.gate"]
    assert guarded.transitions == 3  # the fork, and for the branch of `alone` its gate and its return


def test_forks_that_nest_are_no_barriers():
    for case in ("nested_forks", "route_and_join", "several_roots"):
        assert plan_of(case).barriers == []


def test_fused_nodes_are_named_with_their_state():
    plan = plan_of("sequence")

    assert plan.fused
    assert all(each.nodes for each in plan.fused)
    assert plan_of("sequence", optimize=False).fused == []
