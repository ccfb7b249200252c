"""An engine steers and captures as this project's own does: checks that pass or fail, no claims and no verdicts.

    pytest claims/ -m conformance --engine repeng

What is required is in `harness/engines/checks.py`, what came of it for each engine in `reports/engines/`.
"""

import pytest

from harness.engines.checks import FAILS, NOT_SUPPORTED, outcome_of
from harness.engines.naming import adapter_of
from harness.engines.subjects import bench_of
from harness.models.checkpoints import NotAtHand

pytestmark = pytest.mark.conformance


def test_it_does_what_our_engine_does(subject, engine, check):
    try:
        bench = bench_of(subject)
    except NotAtHand as error:
        pytest.skip(f"{error.reason} {error.command}")
    outcome = outcome_of(check, adapter_of(engine), bench)
    if outcome.word == NOT_SUPPORTED:
        pytest.skip(f"{NOT_SUPPORTED}: {outcome.sentence}")
    if outcome.word == FAILS:
        pytest.fail(f"{engine} on {subject}, {check}: {outcome.sentence}", pytrace=False)
