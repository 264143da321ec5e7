"""`make digests`: run everything whose bytes are promised and compare with digests.txt; `--write` writes it anew.

Further words choose: `digests.py row-35 ablation` runs those with one of these in their names.

Exit status: 0 all are the same (or written), 1 some differ, are new or are gone, or could not be run.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

from cells import Cell, Digests, all_cells

FILE: Final = Path(__file__).with_name("digests.txt")
WRITE: Final = "--write"


class Difference(NamedTuple):
    """A run that is not as promised. `expected` is None for a run that the file does not know, `seen` for one that is gone."""

    name: str
    expected: str | None
    seen: str | None

    def __str__(self) -> str:
        if self.expected is None:
            return f"{self.name}: no digest yet; seen {self.seen}"
        return f"{self.name}: expected {self.expected}, seen {self.seen or 'no such run'}"


def read(text: str) -> Digests:
    """The digests of a file: a run and its digest to a line."""
    return dict(line.rsplit(maxsplit=1) for line in text.splitlines())


def written(digests: Digests) -> str:
    """The file, sorted by name."""
    return "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))


def differences(expected: Digests, seen: Digests) -> list[Difference]:
    """All runs that differ, by name."""
    names = sorted(expected.keys() | seen.keys())
    pairs = (Difference(name, expected.get(name), seen.get(name)) for name in names)
    return [pair for pair in pairs if pair.expected != pair.seen]


def seen(cells: Iterable[Cell]) -> tuple[Digests, list[str]]:
    """Run all, on all processors: the digests, and a sentence for each that could not be run."""
    digests: Digests = {}
    failed: list[str] = []
    jobs = list(cells)
    with ProcessPoolExecutor(min(len(jobs), os.cpu_count() or 1) or 1, get_context("spawn")) as pool:
        names = {pool.submit(cell.digests): cell.name for cell in jobs}
        for done, future in enumerate(as_completed(names), 1):
            error = future.exception()
            if error is None:
                digests |= future.result()
            else:
                failed.append(f"{names[future]} could not be run: {type(error).__name__}: {error}")
            if sys.stderr.isatty():
                print(f"\r{done} of {len(names)}", end="\n" if done == len(names) else "", file=sys.stderr, flush=True)
    return digests, sorted(failed)


def main(words: Sequence[str] = ()) -> int:
    """Compare, or with `--write` write; other words are parts of the names of those to run. Prints what differs."""
    parts = [word for word in words if word != WRITE]
    promised = read(FILE.read_text()) if FILE.exists() else {}
    asked = {name: digest for name, digest in promised.items() if _is_asked(name, parts)}
    digests, wrong = seen(cell for cell in all_cells() if _is_asked(cell.name, parts))
    if WRITE not in words:
        wrong += map(str, differences(asked, digests))
    elif not wrong:
        FILE.write_text(written({name: promised[name] for name in promised.keys() - asked.keys()} | digests))
    print(*wrong, f"{len(digests)} digests, {len(wrong)} differences", sep="\n")
    return int(bool(wrong))


def _is_asked(name: str, parts: list[str]) -> bool:
    return not parts or any(part in name for part in parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
