"""What became of a claim, and of a part of the reserve, that has been put to the test."""

from typing import Any, NamedTuple

from netswap.cluster.study.failure import Kind


class Shown(NamedTuple):
    """A claim that has been put to the test. A claim that could not be shown says why, and does not hold."""

    row: int
    claim: str
    predicted: dict[str, Any]
    seen: dict[str, Any]
    holds: bool
    source: str
    era: str
    failed: Kind | None = None
    """What kind of failure kept it from being shown, if one did; no part of what is told."""

    def told(self) -> dict[str, Any]:
        """The claim as results tell it."""
        return {name: value for name, value in self._asdict().items() if name != "failed"}


class Ablated(NamedTuple):
    """One part of the reserve, put to the test."""

    switch: str
    failure: str
    without: dict[str, Any]
    with_it: dict[str, Any]
    holds: bool
    era: str

    @property
    def failed(self) -> Kind | None:
        """What kind of failure kept it from being shown: none, for one that fails ends the command."""
        return None

    def told(self) -> dict[str, Any]:
        """The ablation as results tell it."""
        return self._asdict()
