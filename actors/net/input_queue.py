"""The input queue between a card without NAPI and the protocols: received, not yet classified, and in memory.

Source: net/core/dev.c of 2.6.22 and 6.11 (netif_rx, process_backlog). The interrupt puts each received frame into a queue of
its CPU, and a softirq takes them from there, one after the other. A frame that finds more than netdev_max_backlog frames in
it is dropped, whatever it is: nobody has looked at it yet.

One simplification: the CPU has nothing else to do, so neither the softirq's budget nor a process delays it.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from netswap.actors.events import Events
from netswap.actors.net.buffers import Buffer
from netswap.actors.net.stack import Stack
from netswap.protocol.frame import Raw

MAX_BACKLOG: Final = 1000
"""netdev_max_backlog: so many frames, and one, may wait."""


class InputQueue:
    """Stands between a card and the protocol layers, each frame of which takes the CPU some time."""

    __slots__ = ("_events", "_frame_ns", "_serving", "_stack", "_waiting", "woken")

    def __init__(self, events: Events, stack: Stack, frame_ns: int) -> None:
        """`frame_ns`: what the softirq takes for each frame."""
        self._events = events
        self._stack = stack
        self._frame_ns = frame_ns
        self._waiting: deque[tuple[Raw, int, Buffer]] = deque()
        self._serving: tuple[Raw, int, Buffer] | None = None
        self.woken: list[Callable[[], None]] = stack.woken
        """As of the stack: whom the card lets run."""

    @property
    def frames(self) -> int:
        """Frames that have been received and not been classified."""
        return len(self._waiting) + (self._serving is not None)

    def input(self, frame: Raw, index: int, buffer: Buffer) -> None:
        """Frame `index` of a train has been received into `buffer`: it is next, or waits, or is dropped."""
        one = (frame, index, buffer)
        if self._serving is None:
            self._serve(one)
        elif len(self._waiting) <= MAX_BACKLOG:
            self._waiting.append(one)
        else:
            self._stack.drop((buffer,), "backlog")

    def drop(self, buffers: tuple[Buffer, ...], cause: str) -> None:
        """The card itself throws received frames away."""
        self._stack.drop(buffers, cause)

    def expects(self, frame: Raw) -> bool:
        """No datagram comes as a whole: each of its frames takes its time."""
        return False

    def input_whole(self, frame: Raw, fragments: list[Buffer]) -> None:
        """As `expects` says, that does not happen."""
        raise AssertionError("frames come one by one")

    def _serve(self, one: tuple[Raw, int, Buffer]) -> None:
        self._serving = one
        self._events.after(self._frame_ns, self._served)

    def _served(self, _: object) -> None:
        """The protocols have found out whom the frame is for; then the next one."""
        assert self._serving is not None, "a frame was being served"
        frame, index, buffer = self._serving
        self._serving = None
        self._stack.input(frame, index, buffer)
        while self.woken:
            self.woken.pop(0)()
        if self._waiting and self._serving is None:
            self._serve(self._waiting.popleft())
