"""Names the plugins; everything else lives in `fixtures/`."""

from fixtures.plugin import PLUGINS

pytest_plugins = [*PLUGINS, "pytester"]
