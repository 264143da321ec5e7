"""The input queue between a card without NAPI and the protocols: received, not yet classified, and in memory.

Source: net/core/dev.c of 2.6.22 and 6.11 (netif_rx, process_backlog). The interrupt puts each received frame into a queue of
its CPU, and a softirq takes them from there, one after the other. A frame that finds more than netdev_max_backlog frames in
it is dropped, whatever it is: it has not been looked at yet.

One simplification: the CPU has nothing else to do, so neither the softirq's budget nor a process delays it.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from netswap.actors.events import Events
from netswap.actors.net.buffers import Buffer
from netswap.actors.net.stack import Stack
from netswap.actors.teller import Teller
from netswap.protocol.frame import Raw

MAX_BACKLOG: Final = 1000
"""netdev_max_backlog; a frame is dropped if more are waiting, so that one more than this may wait."""


class InputQueue:
    """Frames between the card and the protocol layers, where each takes the CPU some time."""

    __slots__ = ("_events", "_frame_ns", "_serving", "_stack", "_teller", "_waiting", "woken")

    def __init__(self, events: Events, stack: Stack, frame_ns: int, teller: Teller | None = None) -> None:
        """`frame_ns`: the time that the softirq takes for each frame."""
        self._events = events
        self._stack = stack
        self._frame_ns = frame_ns
        self._teller = teller
        self._waiting: deque[tuple[Raw, int, Buffer]] = deque()
        self._serving: tuple[Raw, int, Buffer] | None = None
        self.woken: list[Callable[[], None]] = stack.woken
        """The stack's own list: programs to run once the card has been served."""

    @property
    def frames(self) -> int:
        """Frames that have been received and not been classified."""
        return len(self._waiting) + (self._serving is not None)

    def held(self) -> list[tuple[Raw, int]]:
        """These frames, each with its index in its train."""
        serving = [] if self._serving is None else [self._serving]
        return [(frame, index) for frame, index, _ in (*serving, *self._waiting)]

    def input(self, frame: Raw, index: int, buffer: Buffer) -> None:
        """Frame `index` of a train has been received into `buffer`: it is next, or waits, or is dropped."""
        one = (frame, index, buffer)
        if self._serving is None:
            self._serve(one)
        elif len(self._waiting) <= MAX_BACKLOG:
            self._waiting.append(one)
            if self._teller is not None:
                self._teller.queued(self._teller.current(1), "input-queue")
        else:
            self._stack.drop((buffer,), "backlog")

    def drop(self, buffers: tuple[Buffer, ...], cause: str) -> None:
        """Drop frames that the card itself refuses, a damaged one say."""
        self._stack.drop(buffers, cause)

    def expects(self, frame: Raw) -> bool:
        """Never: here the frames of a datagram come one by one, since each takes its time."""
        return False

    def input_whole(self, frame: Raw, fragments: list[Buffer]) -> None:
        """Not to be called, as `expects` says."""
        raise AssertionError("frames come one by one")

    def _serve(self, one: tuple[Raw, int, Buffer]) -> None:
        self._serving = one
        self._events.after(self._frame_ns, self._served)

    def _served(self, _: object) -> None:
        """Hand the frame that has taken its time to the protocols, and begin with the next."""
        assert self._serving is not None, "a frame was being served"
        frame, index, buffer = self._serving
        self._serving = None
        self._stack.input(frame, index, buffer)
        while self.woken:
            self.woken.pop(0)()
        if self._waiting and self._serving is None:
            self._serve(self._waiting.popleft())
