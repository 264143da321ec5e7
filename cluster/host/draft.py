"""A scenario while it is written: lines with their comments, and what has to be said above them."""

from dataclasses import dataclass, field
from typing import Final

COMMENT_COLUMN: Final = 46
COMMENT_MAX: Final = 400


@dataclass(slots=True)
class Draft:
    """Lines as they will stand, and notes of three kinds."""

    place: str
    """Where the files are; their names are told without it."""
    question: str = ""
    """What the scenario asks, in a sentence."""
    lines: list[tuple[str, str]] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    machine: str = ""
    """The machine whose lines are being written."""

    def add(self, depth: int, text: str, comment: str = "") -> None:
        """Add a line, `depth` levels deep, and where its value comes from."""
        if depth <= 1:
            self.machine = text.partition(":")[0] if depth == 1 and len(text) == len("A:") else ""
        self.lines.append((f"{'  ' * depth}{text}", self.plain(comment)))

    def assume(self, depth: int, text: str, why: str) -> None:
        """A line whose value no file tells."""
        self.add(depth, text, f"assumed: {why}")
        whose = f"{self.machine}: " if self.machine else ""
        self.assumed.append(self.plain(f"{whose}{text.removeprefix('- ')} ({why})"))

    def plain(self, text: str) -> str:
        """On one line, without what does not print, and with files named below the folder."""
        prefix = f"{self.place.rstrip('/')}/" if self.place != "/" else ""
        text = text.replace(prefix, "") if prefix else text
        text = "".join(one if one.isprintable() else "?" for one in text)
        return text if len(text) <= COMMENT_MAX else f"{text[: COMMENT_MAX - 1]}…"

    def text(self) -> str:
        """The whole file."""
        notes = [
            ("What differs between this machine and the scenario", self.differs),
            ("What could not be read", self.missing),
            ("What no file tells, and is assumed", self.assumed),
        ]
        said = [f"# {self.plain(self.question)}", ""]
        for heading, lines in notes:
            if lines:
                said += [f"# {heading}:", *(f"#   - {self.plain(one)}" for one in dict.fromkeys(lines)), ""]
        said += [f"{text:<{COMMENT_COLUMN}}  # {comment}" if comment else text for text, comment in self.lines]
        return "\n".join(said) + "\n"


def size_text(size: int) -> str:
    """Bytes as a scenario writes them, exactly, in the largest unit that is whole."""
    for unit, each in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size and size % each == 0:
            return f"{size // each}{unit}"
    return f"{size}B"


def rate_text(mbit: int) -> str:
    """Mbit/s as a scenario writes them."""
    return f"{mbit // 1000}Gbit/s" if mbit % 1000 == 0 else f"{mbit}Mbit/s"
