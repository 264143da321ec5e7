"""What the parts of one machine share that send or receive."""

from dataclasses import dataclass

from netswap.actors.memory.board import Board
from netswap.actors.net.buffers import Buffers


@dataclass(frozen=True, slots=True)
class NetBoard:
    """The machine's board, its packet buffers, and what its link is like."""

    board: Board
    buffers: Buffers
    framing: int
    """Bytes of the link layer for each packet."""
    mtu: int
