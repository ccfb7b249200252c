"""Tests of the pytest plugins, each through pytest's own `pytester`."""
