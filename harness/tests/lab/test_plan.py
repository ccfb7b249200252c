"""The plan counts what will be done, and looks below nothing that is there."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.lab.measurements import Activations, Baseline, Measurement, Sweep, requires
from harness.lab.plan import capture_groups, fused_groups, missing_from, rows_of
from harness.tests.lab.test_measurements import closure, measurements, sweeps

many = st.lists(measurements, max_size=6).map(tuple)


@settings(deadline=None)
@given(wanted=many)
def test_with_an_empty_store_everything_of_the_closure_is_missing(wanted: tuple[Measurement, ...]) -> None:
    missing = missing_from(wanted, lambda _: False)
    assert set(missing) == closure(wanted)
    assert len(missing) == len(set(missing))
    for index, measurement in enumerate(missing):
        assert set(requires(measurement)) <= set(missing[:index])


@settings(deadline=None)
@given(wanted=many)
def test_nothing_below_what_is_there_is_looked_at(wanted: tuple[Measurement, ...]) -> None:
    looked_at: list[Measurement] = []

    def is_there(measurement: Measurement) -> bool:
        looked_at.append(measurement)
        return measurement in wanted

    assert missing_from(wanted, is_there) == ()
    assert set(looked_at) == set(wanted)


@settings(deadline=None)
@given(wanted=many)
def test_every_sweep_is_in_one_fused_group_and_every_capture_in_one_run(wanted: tuple[Measurement, ...]) -> None:
    missing = missing_from(wanted, lambda _: False)
    fused = [one for group in fused_groups(missing).values() for one in group]
    assert sorted(map(repr, fused)) == sorted(repr(one) for one in missing if isinstance(one, Sweep | Baseline))
    captured = [one for group in capture_groups(missing).values() for one in group]
    assert sorted(map(repr, captured)) == sorted(repr(one) for one in missing if isinstance(one, Activations))
    for place, group in capture_groups(missing).items():
        assert {(one.model, one.trait, one.elicitation) for one in group} == {place}


@settings(deadline=None)
@given(sweep=sweeps)
def test_a_sweep_has_a_row_for_each_amount_and_question(sweep: Sweep) -> None:
    assert rows_of(sweep) == len(sweep.amounts) * sweep.questions
    assert rows_of(Baseline("severe", "refusal", 7, 5)) == 7
