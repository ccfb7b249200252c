"""Tests of the pytest plugins, each through pytest's own `pytester`."""

from harness.data.datasets import ROOT

# The project's own, so that a test's small project has every plugin that the claims have.
CONFTEST = (ROOT / "conftest.py").read_text(encoding="utf-8")
