"""What a machine is told to do in a window, and what it gives back."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from netswap.protocol.frame import Arrival, Raw, as_read, cut


class Order(NamedTuple):
    """What a machine is told to do."""

    until_ns: int
    """How far it may advance."""
    inbound: bytes
    answers: list[int] | None = None
    """When it could be answered, as in `Machine.advance`, if that is not what it has been told before."""
    handed: Sequence[Arrival] = ()
    """As in `Machine.advance`."""


class Answer(NamedTuple):
    """What a machine gives back when it has advanced."""

    next_ns: int
    """Nothing leaves before then unless something arrives."""
    silent_until_ns: int
    """Nothing leaves before then whatever arrives."""
    outbound: bytes
    said: Sequence[tuple[Raw, bytes]] | None = None
    """The frames in `outbound`, from a machine in this process."""

    def frames(self) -> list[tuple[Raw, bytes]]:
        """What it has sent. Raises `RemoteProtocolError` if it is no stream of frames."""
        return cut(self.outbound) if self.said is None else as_read(self.said)


Exchange = Callable[[dict[int, Order]], dict[int, Answer]]
"""Let these machines advance; their answers, in any order."""
