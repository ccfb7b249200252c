"""Names the plugins; everything else lives in `fixtures/`."""

pytest_plugins = [
    "fixtures.subjects",
    "fixtures.grid",
    "fixtures.engines",
    "fixtures.workers",
    "fixtures.progress",
    "fixtures.models",
    "fixtures.verdicts",
    "fixtures.outcomes",
    "fixtures.ledger",
    "fixtures.source_tables",
    "fixtures.baseline",
    "pytester",
]
