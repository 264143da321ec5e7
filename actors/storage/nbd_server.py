"""nbd-server: requests come over connections, are read while the disk has room for more, and are answered on the same.

A client whose answers do not fit into the send buffer is not read from until they do. A client that has connected anew sends
again what has not been answered; what the disk still works on for its former connection is then answered on the new one.
"""

from collections import deque

from netswap.actors.disk import REFUSED
from netswap.actors.net.tcp_connection import CLOSED, Connection
from netswap.actors.programs.system import System
from netswap.actors.storage.backing import DiskQueue, Job
from netswap.protocol import nbd
from netswap.protocol.errors import LocalProtocolError

Answer = tuple[int, tuple[int, ...]]
"""Bytes of an answer that are not in the send buffer yet, and the message at their end."""


class NbdServer:
    """Owns the connections of all clients."""

    __slots__ = ("_answers", "_disk", "_line", "_system")

    def __init__(self, disk: DiskQueue, system: System) -> None:
        self._disk = disk
        self._system = system
        self._line: deque[Connection] = deque()
        """Connections with something to read, each once."""
        self._answers: dict[Connection, deque[Answer]] = {}
        """Answers to clients whose send buffer is full."""
        system.accept(nbd.PORT, lambda connection: self)
        system.on_thaw.append(self._thaw)

    # -- what the kernel says ---------------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """Accept a client, which will send requests."""

    def readable(self, connection: Connection) -> None:
        """Put a connection in line to be read."""
        if not connection.in_line:
            connection.in_line = True
            self._line.append(connection)
        self.serve()

    def writable(self, connection: Connection) -> None:
        """Go on with a client's answers; once they are gone, with its requests."""
        self._write(connection)
        if connection.receiver.ready:
            self.readable(connection)

    def closed(self, connection: Connection, why: str) -> None:
        """Forget a client's answers."""
        self._answers.pop(connection, None)
        if connection in self._line:
            self._line.remove(connection)

    def _thaw(self) -> None:
        """Go on after the server has stood still: with all answers, then with what has come."""
        for connection in list(self._answers):
            self.writable(connection)
        self.serve()

    # -- requests ---------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Read requests, a segment of each client in turn, while the disk has room for them."""
        while self._line and self._disk.has_room() and not self._system.frozen:
            self._read(self._line.popleft())

    def _read(self, connection: Connection) -> None:
        """Read the next segment, unless answers have to go first."""
        if connection not in self._answers:
            for size, message in connection.read():
                self._request(connection, size, message)
        connection.in_line = connection not in self._answers and bool(connection.receiver.ready)
        if connection.in_line:
            self._line.append(connection)

    def _request(self, connection: Connection, size: int, message: tuple[int, ...]) -> None:
        """Take a whole request; a message that is none is ignored."""
        try:
            said, unit = nbd.request_of(size, message)
        except LocalProtocolError:
            return
        key = (connection.peer, said.handle)
        pending = self._disk.pending.get(key)
        if pending is not None:
            pending.to = connection
            return
        write = said.type == nbd.WRITE
        self._disk.submit(Job(key, said.page, (said.version,), self._answer, connection, write, unit))

    # -- answers ----------------------------------------------------------------------------------------------------

    def _answer(self, job: Job) -> None:
        """Answer a request that the disk is done with."""
        connection: Connection = job.to
        if connection.state == CLOSED:
            return
        answer = (nbd.reply_size(job.write, job.unit), (_error(job), job.key[1], 0 if job.write else job.versions[0]))
        self._answers.setdefault(connection, deque()).append(answer)
        if len(self._answers[connection]) == 1:
            self._write(connection)

    def _write(self, connection: Connection) -> None:
        """Put answers into the send buffer, in order, as far as there is room and memory for them."""
        answers = self._answers.get(connection)
        if answers and self._system.frozen:
            return
        while answers:
            left, message = answers[0]
            left -= self._system.streams.write(connection, left, message)
            if left:
                answers[0] = (left, message)
                return
            answers.popleft()
        self._answers.pop(connection, None)


def _error(job: Job) -> int:
    """ENOSPC for a page that was refused."""
    return nbd.ENOSPC if job.write and job.versions[0] == REFUSED else 0
