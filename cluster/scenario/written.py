"""A scenario as written, for the checks: its plain tree, read with care, and who is who in it.

The checks read the plain tree and not the models, so that they find their mistakes in a file that has others too. A
part that is not what it should be is passed over; the models report it.
"""

from collections.abc import Callable, Iterator

from cluster.scenario.cast import Cast
from cluster.scenario.source import Document, Place, Tree
from cluster.scenario.words import MAX_MACHINES, nearest
from protocol import units
from protocol.units import UnitError

NAMES_SHOWN_MAX = 12


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


def is_own_program(name: object) -> bool:
    """Whether a program's name is that of a user's own class, package.module:Class."""
    return isinstance(name, str) and ":" in name


class Written:
    """One document and its machines, with the way to report on it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.tree = document.tree
        names = mapping_in(self.tree, "machines")
        self.machines: dict[str, Tree] = {name: mapping_in(names, name) for name in names}
        self.cast = Cast({name: _count(machine) for name, machine in self.machines.items()})

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

    def pair(self, place: Place, value: object) -> None:
        """Check that `from` and `to` are machines, and not the same one."""
        ends = [(end, name) for end in ("from", "to") if (name := text_in(value, end)) is not None]
        machines = [self.cast.indexes(name) for end, name in ends if self.known((*place, end), name)]
        if len(machines) == 2 and machines[0] == machines[1] and len(machines[0]) == 1:
            self.report((*place, "to"), "from and to are the same machine", "name another machine")

    def programs_of(self, name: str) -> Iterator[tuple[Place, str, Tree]]:
        """Place, name and settings of each program on a machine; all of them where an item has several."""
        for index, item in enumerate(items_in(self.machines[name], "programs")):
            for program in item if isinstance(item, dict) else ():
                yield ("machines", name, "programs", index, program), program, mapping_in(item, program)


def _count(machine: Tree) -> int | None:
    count = number_in(machine, "count")
    return None if count is None else min(count, MAX_MACHINES)


def _parsed(value: object, parse: Callable[[object], int]) -> int | None:
    try:
        return parse(value)
    except UnitError:
        return None
