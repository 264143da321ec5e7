"""A network service of user space: many sockets, and pages of its own that can be swapped out."""

from dataclasses import dataclass
from typing import ClassVar

from netswap.actors.memory.anonymous import HOT
from netswap.actors.programs.system import System
from netswap.actors.programs.talks import NOBODY, Talks
from netswap.actors.programs.task import Program, SystemCall
from netswap.protocol.rpc import PAGE


@dataclass(slots=True)
class Service:
    """Ports `port` to `port + sockets - 1`; for each message it touches one of its pages, at random, and works.

    Over TCP each port accepts any number of connections, and `buffer` is that of each.
    """

    port: int
    sockets: int = 1
    work: int = 0
    buffer: int | None = None
    pages: int = 0
    lock: bool = False
    protocol: str = "udp"
    text: int | None = None
    unkillable: bool = False
    text_on: str = "disk"
    io_flusher: bool = False
    realtime: bool = False
    reads: str = "always"
    """"never": it opens its sockets, and stands in a call that has nothing to do with them."""
    counts_pages: ClassVar[bool] = False

    def talks(self) -> Talks:
        """The program sends to no machine unasked."""
        return NOBODY

    def text_pages(self) -> int:
        """Pages of program text that every message runs through."""
        return -(-(self.text or 0) // PAGE)

    def run(self, system: System) -> Program:
        """Read messages for ever; its progress is messages."""
        tcp = self.protocol == "tcp"
        for port in range(self.port, self.port + self.sockets):
            if tcp:
                system.listen(port, self.buffer)
            else:
                system.open(port, self.buffer)
        if self.reads == "never":
            yield system.pause()
        receive: SystemCall = system.receive_message() if tcp else system.receive()
        draw = system.random("pages").random
        states = system.space.states
        pages = self.pages
        progress = system.progress
        if not (tcp or pages or self.text or self.work):
            system.only_counts()
        while True:
            yield receive
            if pages:
                page = int(draw() * pages)
                if states[page] != HOT:
                    yield system.touch(page)
            if self.text:
                yield system.touch_text()
            if self.work:
                yield system.compute(self.work)
            progress.add(1)
