"""Every function's real bundle starts within its budget."""

import pytest

from tests.localstack.cold_starts import BUDGETS_MS, cold_start


@pytest.mark.parametrize("name", BUDGETS_MS)
def test_a_bundle_starts_within_its_budget(name: str):
    budget = BUDGETS_MS[name]

    assert cold_start(name, times=20, enough_ms=budget).processor <= budget
