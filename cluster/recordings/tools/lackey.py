"""Loads and stores as valgrind's lackey prints them with --trace-mem=yes.

    valgrind --tool=lackey --trace-mem=yes --log-file=OUT PROGRAM

Source: lackey/lk_main.c of valgrind (`I  addr,size`, ` L addr,size`, ` S addr,size`, ` M addr,size`; `SB addr` with
--trace-superblocks). It has no clock: an instruction is taken to be a nanosecond. Instructions themselves are text and no
anonymous memory, so they only count.
"""

import re
from collections.abc import Iterator
from typing import Final

from netswap.cluster.recordings.files import RecordingError
from netswap.cluster.recordings.tools.access import Access, Lines

_LINE: Final = re.compile(rb"^ ?([ILSM]) +([0-9a-fA-F]+),(\d+)\s*$")
_SUPERBLOCK: Final = re.compile(rb"^SB [0-9a-fA-F]+\s*$")
_HOW: Final = {b"L": "r", b"S": "w", b"M": "w"}
_HINT: Final = "give what valgrind --tool=lackey --trace-mem=yes prints"


def accesses(lines: Lines) -> Iterator[Access]:
    """Loads and stores. Raises RecordingError with the line that is none of lackey's."""
    instructions = 0
    for number, line in enumerate(lines, 1):
        found = _LINE.match(line)
        if found is None:
            if line.strip() and not line.startswith((b"==", b"--", b"**")) and not _SUPERBLOCK.match(line):
                shown = line.decode("ascii", "replace").strip()
                raise RecordingError(f'line {number}: "{shown:.40}" is no line of lackey', _HINT)
            continue
        kind, address, size = found.groups()
        if kind == b"I":
            instructions += 1
        else:
            yield Access(instructions, int(address, 16), int(size), _HOW[kind])
