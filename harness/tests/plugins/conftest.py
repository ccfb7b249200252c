"""A small project for `pytester`: two models, two traits, and a lab whose answers are made up by the test."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

# pytester forgets modules that a run inside this process imported first, and compiled ones cannot be imported twice.
import numpy.fft  # noqa: F401
import pytest
import rich.progress  # noqa: F401
import scipy.special
import scipy.stats  # noqa: F401
import sklearn.linear_model  # noqa: F401
import torch  # noqa: F401

from harness.tests.plugins import CONFTEST

PROJECT = '''
from dataclasses import dataclass, replace
from pathlib import Path
import numpy as np
import pytest
from harness.quantities import Quantity
from harness.models.registry import ModelSpec
from harness.stats.resampling import Resampling, Replicated
from harness.stats.averages import NoValidRun

RESAMPLING = Resampling(50, "questions", "made up", 200, 1)


def spec(name):
    blocks = {"refusal": (1,), "sycophancy": (1,)}
    return ModelSpec(name, Path(name), Path(name), "templated", "grammar", blocks, (1.0,), 8, f"the model {name}")


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    from fixtures.grid import MODELS_KEY

    config.stash[MODELS_KEY] = {"severe": spec("severe"), "clean": spec("clean")}


@dataclass(frozen=True)
class MadeUp(Quantity):
    """A quantity with a given mean and spread, so that its interval is known."""

    value: float
    spread: float = 0.1

    def needs(self, cell):
        return ()

    def evaluate(self, cell, lookup):
        if self.value != self.value:
            raise NoValidRun("None of 3 runs is valid.")
        if np.isinf(self.value):
            raise MemoryError("planted")
        noise = np.random.default_rng(0).normal(0.0, self.spread, 200)
        return Replicated(self.value, self.value + noise, RESAMPLING, "trait points", 50)


class FakeLab:
    events = []

    def prepare(self, needs):
        self.events.append(f"prepare {len(needs)}")

    def answer(self, measurement):
        raise AssertionError("nothing is measured here")

    def recall(self, measurement):
        return None

    def release(self, model):
        self.events.append(f"release {model}")


@pytest.fixture(scope="session")
def lab():
    return FakeLab()
'''

INI = """
[pytest]
addopts = --strict-markers --strict-config -p no:cacheprovider
"""


@pytest.fixture(autouse=True)
def no_step_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    """On GitHub, made-up ledgers must not land in the summary of the step that runs these tests."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def project(pytester: pytest.Pytester) -> Callable[..., pytest.Pytester]:
    """`project(test_file=source, ...)` writes the project with those claim files and returns the pytester."""

    def write(**files: str) -> pytest.Pytester:
        pytester.makeconftest(CONFTEST + PROJECT)
        pytester.makeini(INI)
        heading = "from conftest import MadeUp\nfrom fixtures.vocabulary import claim, predicted, regression\n"
        pytester.makepyfile(**{name: heading + textwrap.dedent(text) for name, text in files.items()})
        pytester.syspathinsert()
        return pytester

    return write
