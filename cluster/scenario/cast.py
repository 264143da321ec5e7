"""The cast of a scenario: its machines by name, counted ones expanded.

`count: 3` under A makes A0, A1 and A2; where a scenario says A, it means all of them.
"""

from collections.abc import Mapping


class Cast:
    """The machines in the order of the scenario, and what each written name stands for.

    `counts` maps the written names to their count, None for a single machine.
    """

    def __init__(self, counts: Mapping[str, int | None]) -> None:
        self.names: list[str] = []
        self.duplicates: list[tuple[str, str]] = []  # the written name that brings a name a second time, and the name
        self._indexes: dict[str, list[int]] = {}
        self._written: list[str] = []
        for written, count in counts.items():
            self._add(written, [written] if count is None else [f"{written}{number}" for number in range(count)])

    def __contains__(self, name: object) -> bool:
        return name in self._indexes

    def __len__(self) -> int:
        return len(self.names)

    def indexes(self, name: str) -> list[int]:
        """The machines that a name stands for. KeyError if there is none."""
        return self._indexes[name]

    def members(self, name: str) -> list[str]:
        """The single names that a name stands for. KeyError if there is none."""
        return [self.names[index] for index in self._indexes[name]]

    def written_of(self, name: str) -> str:
        """The name under which a machine, or the first of several, stands in the file. KeyError if there is none."""
        return self._written[self._indexes[name][0]]

    def known(self) -> list[str]:
        """All names that may be written."""
        return list(self._indexes)

    def _add(self, written: str, members: list[str]) -> None:
        first = len(self.names)
        for index, name in enumerate(members, first):
            if name in self._indexes:
                self.duplicates.append((written, name))
            self._indexes[name] = [index]
        self.names += members
        self._written += [written] * len(members)
        self._indexes[written] = list(range(first, len(self.names)))
