"""Engines by name, and what is said where one's library is not installed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

from harness.engines.nnsight_engine import NnsightEngine
from harness.engines.ours import OurEngine
from harness.engines.plain_hooks import HooksEngine
from harness.engines.protocol import Engine
from harness.engines.repeng_engine import RepengEngine
from harness.engines.steering_vectors_engine import SteeringVectorsEngine

OURS = "ours"


class NoEngine(ValueError):
    """No engine is called so, or its library is not installed; the message says what to do."""


@dataclass(frozen=True)
class Known:
    """An adapter, the package that it needs beyond this project's own, and the command that installs it."""

    adapter: type[Engine]
    package: str = ""
    install: str = ""


# The first two cannot be extras: their metadata ask for transformers 4 and NumPy 1, but they work with later ones.
ENGINES = {
    OURS: Known(OurEngine),
    "hooks": Known(HooksEngine),
    "steering-vectors": Known(
        SteeringVectorsEngine, "steering-vectors", "pip install --no-deps steering-vectors==0.12.2"
    ),
    "repeng": Known(RepengEngine, "repeng", "pip install --no-deps repeng==0.4.0"),
    "nnsight": Known(NnsightEngine, "nnsight", 'pip install -e ".[engines]"'),
}


def adapter_of(name: str) -> type[Engine]:
    """The adapter of an engine whose library is installed. Raises NoEngine, a sentence that says what to do."""
    if name not in ENGINES:
        raise NoEngine(f"{name!r} names no engine; known are {', '.join(ENGINES)}.")
    known = ENGINES[name]
    if known.package:
        try:
            metadata.version(known.package)
        except metadata.PackageNotFoundError as error:
            raise NoEngine(f"The engine {name} needs a package that is not installed: {known.install}") from error
    return known.adapter


def versions(name: str) -> dict[str, str]:
    """The versions that an engine's results depend on, by package."""
    packages = [*filter(None, [ENGINES[name].package]), "torch", "transformers"]
    return {package: metadata.version(package) for package in packages}
