"""Loads and stores as valgrind's lackey prints them with --trace-mem=yes.

    valgrind --tool=lackey --trace-mem=yes --log-file=OUT PROGRAM

Source: lackey/lk_main.c of valgrind (`I  addr,size`, ` L addr,size`, ` S addr,size`, ` M addr,size`). It has no clock: an
instruction is taken to be a nanosecond. Instructions themselves are text and no anonymous memory, so they only count.
"""

import re
from collections.abc import Iterator
from typing import Final

from netswap.cluster.recordings.files import RecordingError
from netswap.cluster.recordings.tools.access import Access, Lines

_LINE: Final = re.compile(rb"^(I | [LSM]) ([0-9a-fA-F]+),(\d+)\s*$")
_HOW: Final = {b" L": "r", b" S": "w", b" M": "w"}
_HINT: Final = "give what valgrind --tool=lackey --trace-mem=yes prints"


def accesses(lines: Lines) -> Iterator[Access]:
    """Loads and stores. Raises RecordingError with the line that is none of lackey's."""
    instructions = 0
    for number, line in enumerate(lines, 1):
        found = _LINE.match(line)
        if found is None:
            if line.strip() and not line.startswith((b"==", b"--", b"**")):
                shown = line.decode("ascii", "replace").strip()
                raise RecordingError(f'line {number}: "{shown:.40}" is no line of lackey', _HINT)
            continue
        kind, address, size = found.groups()
        if kind == b"I ":
            instructions += 1
        else:
            yield Access(instructions, int(address, 16), int(size), _HOW[kind])
