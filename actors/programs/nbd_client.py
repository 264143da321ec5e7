"""nbd-client as a process that connects again: when the connection of the swap is gone it needs memory to open another.

Source: nbd-client(8), -persist; nbd-client.c of the nbd project. The process sleeps in the kernel while a connection lasts
(NBD_DO_IT), so its own pages have long been swapped out when it is needed, to the device that it is needed for.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from netswap.actors.programs.system import Line, System
from netswap.actors.programs.talks import NOBODY, Talks
from netswap.actors.programs.task import Need, Program, Reason, Task
from netswap.actors.wait import CONNECTION

_SOCKET_PAGES: Final = 2
"""Pages that the kernel takes in its name for a socket, its file and an inode: objects of slabs, a new page of two at most."""


@dataclass(slots=True)
class NbdClient:
    """`pages` of its own, all of which it uses to connect. Its progress is connections opened."""

    pages: int = 64
    lock: bool = False
    io_flusher: bool = False
    counts_pages: ClassVar[bool] = False
    on_swap_path: ClassVar[bool] = True
    unkillable: ClassVar[bool] = True
    """Whether the OOM killer leaves it alone: it protects itself (oom_adjust in nbd-client.c)."""

    def talks(self) -> Talks:
        """The program sends to no machine but the swap server, to which the machine would also send without the program."""
        return NOBODY

    def wire(self, system: System) -> None:
        """Take over from the kernel what to do about a connection that is gone, before any program runs."""
        assert system.line is not None, "only a machine that swaps over NBD has one"
        system.line.leave_to_client()

    def run(self, system: System) -> Program:
        """Wait until the connection is gone, find memory, let another be opened, and so on."""
        line = system.line
        assert line is not None, "only a machine that swaps over NBD has one"
        while True:
            yield _Gone(line)
            if self.pages:
                yield system.touch(0, self.pages)
            yield system.allocate(_SOCKET_PAGES, "for the socket of a new connection")
            line.call_again()
            system.progress.add(1)


class _Gone:
    """Nothing, until the connection is gone."""

    __slots__ = ("_line",)
    idle = True

    def __init__(self, line: Line) -> None:
        self._line = line

    def begin(self, task: Task) -> Any:
        """Return None once the connection is gone."""
        if self._line.is_gone:
            return None
        self._line.when_gone = task.wake
        return task.block(CONNECTION)

    def reason(self) -> Reason:
        """The end of the connection, which need not come."""
        return Reason(Need.NOTHING, "the end of the connection")

    def is_over(self) -> bool:
        """Whether the connection is gone."""
        return self._line.is_gone
