"""A scenario as written, for the checks: its plain tree, read with care, and its machines by name.

The checks read the plain tree and not the models, so that they find their mistakes in a file that has others too. A
part that is not what it should be is passed over; the models report it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from netswap.cluster.scenario.cast import Cast
from netswap.cluster.scenario.source import Document, Place, Tree
from netswap.cluster.scenario.words import MAX_MACHINES, nearest
from netswap.protocol import units
from netswap.protocol.units import UnitError

NAMES_SHOWN_MAX = 12
PAIRS_MAX = 1_000_000
"""Directed links, floods from one machine to another, and ways to a swap server that one key may mean."""


def mapping_in(tree: object, key: str) -> Tree:
    """The mapping under a key; empty if there is none."""
    value = tree.get(key) if isinstance(tree, dict) else None
    return value if isinstance(value, dict) else {}


def items_in(tree: object, key: str) -> list[object]:
    """The list under a key; empty if there is none."""
    value = tree.get(key) if isinstance(tree, dict) else None
    return value if isinstance(value, list) else []


def text_in(tree: object, key: str) -> str | None:
    """The text under a key."""
    value = tree.get(key) if isinstance(tree, dict) else None
    return value if isinstance(value, str) else None


def number_in(tree: Tree, key: str, default: int | None = None) -> int | None:
    """The whole number, from 1, under a key; `default` if the key is not there."""
    value = tree.get(key, default)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else None


def time_in(tree: Tree, key: str) -> int | None:
    """The time under a key, in nanoseconds."""
    return _parsed(tree.get(key), units.parse_time)


def size_in(tree: Tree, key: str, default: str) -> int | None:
    """The size under a key, in bytes."""
    return _parsed(tree.get(key, default), units.parse_size)


def rate_in(tree: Tree, key: str) -> int | None:
    """The rate under a key, in bits per second."""
    return _parsed(tree.get(key), units.parse_rate)


def is_own_program(name: object) -> bool:
    """Whether a program's name is that of a user's own class, package.module:Class."""
    return isinstance(name, str) and ":" in name


@dataclass(frozen=True)
class Listener:
    """The ports of a service, both ends included, and what is spoken there."""

    place: Place
    first: int
    last: int
    protocol: str


class Written:
    """One document and its machines, with the way to report on it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.tree = document.tree
        names = mapping_in(self.tree, "machines")
        self.machines: dict[str, Tree] = {name: mapping_in(names, name) for name in names}
        self.listeners: dict[str, list[Listener]] = {}
        """Listeners that have been looked for, by the machine's name as written."""
        self.too_many: str | None = None
        """The machine with which they are more than a scenario may have."""
        self.cast = Cast(self._counts())

    def report(self, place: Place, message: str, hint: str, *, key: bool = False) -> None:
        """Note a problem at a place."""
        self.document.report(place, message, hint, key=key)

    def known(self, place: Place, name: str) -> bool:
        """Whether there is such a machine; reported if not."""
        if name in self.cast:
            return True
        names = self.machines if len(self.cast) > NAMES_SHOWN_MAX else self.cast.known()
        self.report(place, f'there is no machine "{name}"', nearest(name, names))
        return False

    def _counts(self) -> dict[str, int | None]:
        counts: dict[str, int | None] = {}
        room = MAX_MACHINES
        for name, machine in self.machines.items():
            count = number_in(machine, "count")
            if (count or 1) > room and self.too_many is None:
                self.too_many = name
            counts[name] = None if count is None else max(1, min(count, room))
            room = max(0, room - (count or 1))
        return counts

    def crossed(self, place: Place, sources: int, targets: int) -> None:
        """Report `sources` machines times `targets` others where these are too many pairs."""
        if sources * targets > PAIRS_MAX:
            message = f"{sources} machines times {targets} are {sources * targets} pairs"
            self.report(place, message, f"make it {PAIRS_MAX} at most")

    def pair(self, place: Place, value: object) -> None:
        """Check that `from` and `to` are machines, not the same one, and not too many."""
        ends = [(end, name) for end in ("from", "to") if (name := text_in(value, end)) is not None]
        machines = [self.cast.indexes(name) for end, name in ends if self.known((*place, end), name)]
        if len(machines) == 2 and machines[0] == machines[1] and len(machines[0]) == 1:
            self.report((*place, "to"), "from and to are the same machine", "name another machine")
        if len(machines) == 2:
            self.crossed((*place, "to"), len(machines[0]), len(machines[1]))

    def programs_of(self, name: str) -> Iterator[tuple[Place, str, Tree]]:
        """Place, name and settings of each program on a machine; all of them where an item has several."""
        for index, item in enumerate(items_in(self.machines[name], "programs")):
            for program in item if isinstance(item, dict) else ():
                yield ("machines", name, "programs", index, program), program, mapping_in(item, program)


def _parsed(value: object, parse: Callable[[object], int]) -> int | None:
    try:
        return parse(value)
    except UnitError:
        return None
