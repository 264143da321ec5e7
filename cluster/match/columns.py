"""Two logs side by side, as a terminal or a table prints them: each line cut into its columns."""

import re
from typing import Final

_ALIKE: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"\w\+0x[0-9a-f]+",
        r"^(?:INFO: )?task\b",
        r"/stack\b",
        r"[Cc]all [Tt]race",
        r"blocked for more",
        r"^PID:? ",
        r"\b[Tt](?:ask|hread)[ _]\w{1,8}\)?:$",
        r"^Pid: ",
    )
)
_GAP: Final = 3


class Columns:
    """Where the second column begins, once a line has shown it."""

    __slots__ = ("_edge",)

    def __init__(self) -> None:
        self._edge = 0

    def split(self, text: str) -> list[str]:
        """The text itself, or the left and the right part, either of which may be empty."""
        edge = _edge_of(text)
        if edge:
            self._edge = edge
        if not self._edge:
            return [text]
        if len(text) <= self._edge:
            return [text]
        if text[self._edge - 2 : self._edge].strip(" |"):  # one that goes through the gap ends the table
            self._edge = 0
            return [text]
        return [text[: self._edge].rstrip(" |"), text[self._edge :].lstrip(" |")]


def _edge_of(text: str) -> int:
    """Where the second of two pieces of one kind begins; 0 if there is none."""
    if "   " not in text and " | " not in text:
        return 0
    starts = list(re.finditer(r"(?:^|(?<=\s{3})|(?<=\| ))(?=\S)", text))
    pieces = [
        text[one.start() : other].strip(" |")
        for one, other in zip(starts, [*(m.start() for m in starts[1:]), len(text)], strict=True)
    ]
    for pattern in _ALIKE:
        alike = [start.start() for start, piece in zip(starts, pieces, strict=True) if pattern.search(piece)]
        if len(alike) == 2:
            return alike[1]
    return 0
