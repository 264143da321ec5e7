"""nbd-server as a process, with pages of its own, that sends and writes in its own name.

It reads a request, touches one of its pages for it, and either gives it to the disk (O_DIRECT) or reads and writes a file
through the page cache, where the dirty limits hold it up like any other program (balance_dirty_pages). A client whose answers
do not fit into the send buffer has to wait with further requests; other clients do not. Folded: one process serves them all.
"""

from collections import deque
from collections.abc import Generator
from typing import Any, NamedTuple

from netswap.actors.memory.anonymous import SWAPPED, UNTOUCHED
from netswap.actors.net.loopback import PairEnd
from netswap.actors.net.tcp_connection import CLOSED, Connection
from netswap.actors.programs import daemon
from netswap.actors.programs.system import System
from netswap.actors.programs.task import Program, SystemCall
from netswap.actors.storage.backing import DiskQueue, Job
from netswap.protocol import nbd
from netswap.protocol.errors import LocalProtocolError
from netswap.protocol.tcp import Message

Answer = tuple[int, tuple[int, ...]]
"""Bytes of an answer that are not in the send buffer yet, and the message at their end."""
Line = Connection | PairEnd
"""A client's connection, or the daemon's end of that to its own kernel."""


class _Asked(NamedTuple):
    """A request that has been read."""

    line: Line
    size: int
    """Bytes."""
    message: Message


class UserServer:
    """The server process; `pages`: its own; `disk`: used directly unless the program has a file."""

    def __init__(self, system: System, disk: DiskQueue, pages: int) -> None:
        self._system = system
        self._disk = disk
        self._pages = pages
        self._draw = system.random("pages").random
        self._requests: deque[_Asked] = deque()
        """Requests read and not begun yet."""
        self._answers: dict[Line, deque[Answer]] = {}
        self._own = system.daemon_end
        """The end to its own kernel, if this machine swaps to it."""

    def run(self) -> Program:
        """Serve all clients, for ever."""
        system = self._system
        system.listen(nbd.PORT)
        while True:
            moved = False
            for line in list(self._answers):
                moved = (yield from self._answer(line)) or moved
            asked = self._next()
            if asked is not None:
                moved = True
                yield from self._serve(asked)
            if not moved:
                yield system.poll(_client(next(iter(self._answers))) if self._answers else None)

    # -- requests ---------------------------------------------------------------------------------------------------

    def _next(self) -> _Asked | None:
        """The next request of a client that takes its answers, if the disk has room for it."""
        if not self._disk.has_room():
            return None
        while (read := self._system.streams.next_message()) is not None:
            self._requests.append(_Asked(*read))
        own = self._own
        while own is not None and own.ready:
            self._requests += [_Asked(own, size, message) for size, message in own.read()]
        for _ in range(len(self._requests)):
            found = self._requests.popleft()
            if found.line not in self._answers:
                return found
            self._requests.append(found)
        return None

    def _serve(self, asked: _Asked) -> Program:
        """Serve one request; a message that is none is ignored."""
        try:
            said, unit = nbd.request_of(asked.size, asked.message)
        except LocalProtocolError:
            return
        system = self._system
        if self._pages:
            yield system.touch(int(self._draw() * self._pages))
        line = asked.line
        key = (_client(line), said.handle)
        job = Job(key, said.page, (said.version,), self._done, line, said.type == nbd.WRITE, unit)
        if system.file is None:
            pending = self._disk.pending.get(key)
            if pending is not None:
                pending.to = line
            else:
                self._disk.submit(job)
            return
        yield from self._through_cache(job)
        self._disk.apply(job)
        self._done(job)

    def _through_cache(self, job: Job) -> Program:
        """Write a page whole, or read it; the file is as large as all that is kept in it, or begins anew."""
        system, file = self._system, self._system.file
        assert file is not None, "without a file it writes to the disk"
        page = job.page % file.pages
        if not job.write:
            yield system.read(page)
            return
        if file.states[page] == SWAPPED:
            file.states[page] = UNTOUCHED  # it is overwritten, so nothing is read before
        yield system.write(page)

    # -- answers ----------------------------------------------------------------------------------------------------

    def _done(self, job: Job) -> None:
        """Answer a request that the disk is done with."""
        line: Line = job.to
        if line.state == CLOSED:
            return
        answer = (nbd.reply_size(job.write, job.unit), (0, job.key[1], 0 if job.write else job.versions[0]))
        self._answers.setdefault(line, deque()).append(answer)
        self._system.streams.wake()

    def _answer(self, line: Line) -> Generator[SystemCall, Any, bool]:
        """Write answers in order, as far as there is room for them; whether there was any."""
        answers = self._answers[line]
        moved = False
        while answers and line.state != CLOSED:
            before, message = answers[0]
            left = yield from daemon.write(self._system, line, before, message)
            moved = moved or left < before
            if left:
                answers[0] = (left, message)
                return moved
            answers.popleft()
            self._system.progress.add(1)
        if not answers or line.state == CLOSED:
            self._answers.pop(line, None)
        return moved


def _client(line: Line) -> int:
    """The index of the machine at the other end."""
    return line.peer if isinstance(line, Connection) else line.server
