"""`python -m harness.lab.packing STORE FILE.xz` packs what a report shows of a store into one file to send."""

from __future__ import annotations

import argparse
import contextlib
import lzma
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.atomic import write_atomically
from harness.lab.store import FILE, CorruptEntry, Store, StoreError
from harness.streams import shown

SHOWN = ("Scores", "Sweep", "Baseline", "Direction", "MassiveActivations", "JudgeCheck", "LoadCheck")
ENDING = ".xz"
PRESET = 9  # its window of 64 MiB finds a text again that stands in two tables


def pack(store: Store, path: Path) -> int:
    """Write what a report shows of a store, compressed, and return its bytes.

    Left out are activations, refits and cross-fits, and judgements row by row, which stand in the scores of their
    runs. Raises StoreError for a store that holds nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        smaller = Store(Path(folder), inline=sys.maxsize)  # one file holds arrays of any size
        wanted: list[str] = []
        for key, described in store.descriptions():
            if described["measurement"]["kind_of"] not in SHOWN:
                continue
            with contextlib.suppress(CorruptEntry):  # the next run of the claims measures it again
                answer = store.get(key)
                if answer is not None:
                    smaller.put(key, described, answer)
                    wanted += [one for run in answer.record.get("response_keys", ()) for one in run]
        if not (Path(folder) / FILE).exists():
            raise StoreError(f"{store.root} holds nothing that a report shows; pytest claims/ --store fills it.")
        smaller.put_responses(store.responses(wanted))
        smaller.close()  # which writes its log back
        raw = lzma.compress((Path(folder) / FILE).read_bytes(), preset=PRESET)
    write_atomically(path, raw)
    return len(raw)


@contextlib.contextmanager
def readable(path: Path) -> Iterator[Store]:
    """A store to read from: that of a folder, or one that `pack` wrote. Raises StoreError for any other file."""
    if path.suffix != ENDING:
        yield Store(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            raw = lzma.decompress(path.read_bytes())
        except (OSError, lzma.LZMAError, EOFError) as error:
            raise StoreError(f"{path} cannot be unpacked as a store ({error}); pack it again.") from error
        (Path(folder) / FILE).write_bytes(raw)
        store = Store(Path(folder))
        yield store
        store.close()


def main() -> int:
    """Pack, and say how large it is; 2 where that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m harness.lab.packing", description=__doc__)
    parser.add_argument("store", type=Path, help="folder of measured answers, such as .store")
    parser.add_argument("file", type=Path, help=f"the file to write, ending in {ENDING}")
    options = parser.parse_args()
    if options.file.suffix != ENDING:
        parser.error(f"{options.file} does not end in {ENDING}.")
    try:
        size = pack(Store(options.store), options.file)
    except (StoreError, OSError) as error:
        print(f"ERROR: {shown(error)}", file=sys.stderr)
        return 2
    print(f"{options.file}: {size / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
