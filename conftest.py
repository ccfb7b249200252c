"""Names the plugins; everything else lives in `fixtures/`."""

pytest_plugins = [
    "fixtures.brought",
    "fixtures.subjects",
    "fixtures.grid",
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
