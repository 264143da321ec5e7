"""The blocking exchange of an MPI-style rank with its partners over TCP.

Each rank calls all its partners before its first step, and sends on the connections that it has opened itself. Messages to
a partner are numbered. The rank that is called says how many it has, and is sent the others: so a connection that breaks costs
time and no message, and a rank that starts anew after a crash of its machine is told again all that it had been told.
"""

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from netswap.actors.net.tcp_connection import ESTABLISHED, Connection
from netswap.actors.programs.collectives import EXCHANGES, Round
from netswap.actors.programs.streams import Delivery
from netswap.actors.programs.task import Need, Reason, Task
from netswap.actors.wait import CONNECTION, MESSAGE
from netswap.protocol.tcp import Message
from netswap.protocol.units import seconds

if TYPE_CHECKING:
    from netswap.actors.programs.system import System

PORTS: Final = {"ring": 65_001, "halo": 65_002, "allreduce": 65_003}
"""Where the ranks of each exchange are called."""
_RECONNECT_NS: Final = seconds(1)
_CONTROL: Final = 16
"""Bytes of a message that is not a rank's own."""

_HELLO: Final = 0
"""(this, the caller's rank, when it started)."""
_HAVE: Final = 1
"""(this, the called one's rank, how many messages it has)."""
_DATA: Final = 2
"""(this, the sender's rank, the message's number from 1)."""

_NEW: Final = 0
_GREETED: Final = 1
_WELCOME: Final = 2


class Line:
    """The messages to one partner."""

    __slots__ = ("connection", "due", "left", "machine", "message", "number", "state")

    def __init__(self, machine: int) -> None:
        self.machine = machine
        self.connection: Connection | None = None
        self.state = _NEW
        self.message: Message = ()
        """The message that is being written."""
        self.left = 0
        """Bytes of that message that are not in the send buffer yet."""
        self.number = 0
        """Messages that are in the send buffer or beyond, the one being written included."""
        self.due = 0
        """Messages that the rank has had to send so far."""

    def is_done(self) -> bool:
        """Whether all is in the send buffer."""
        return self.number >= self.due and not self.left


class Exchange:
    """One rank's part in all exchanges, and the request that a step of it is."""

    __slots__ = (
        "_born_ns",
        "_callers",
        "_lines",
        "_owed",
        "_rank",
        "_received",
        "_rounds",
        "_schedule",
        "_size",
        "_started",
        "_system",
        "_wanted",
    )
    idle = False

    def __init__(self, system: "System", kind: str, rank: int, ranks: int, size: int, machines: dict[int, int]) -> None:
        """`rank` of `ranks`; messages of `size` bytes; `machines`: where each partner is."""
        self._system = system
        self._rank = rank
        self._size = size
        self._schedule = EXCHANGES[kind](rank, ranks)
        self._rounds: deque[Round] = deque()
        """The rounds left of the present step."""
        self._lines = {other: Line(machine) for other, machine in machines.items()}
        self._received = dict.fromkeys(machines, 0)
        self._wanted = dict.fromkeys(machines, 0)
        self._callers: dict[int, Connection] = {}
        """The connection on which each partner sends."""
        self._owed: list[tuple[Connection, Message]] = []
        """Answers to callers that there was no room for."""
        self._born_ns = system.now_ns
        self._started: dict[int, int] = {}
        """When each partner started, as its messages say."""
        system.listen(PORTS[kind])
        system.streams.on_closed = self._lost
        for line in self._lines.values():
            self._call((line, PORTS[kind]))

    # -- the requests -----------------------------------------------------------------------------------------------

    def opening(self) -> "Opening":
        """To be yielded before the first step."""
        return Opening(self)

    def begin(self, task: Task) -> Any:
        """Return None once all messages of this step are in the send buffers, and all messages that it needs have come."""
        if not self._rounds:
            self._rounds.extend(self._schedule)
            self._begin_round()
        self.serve()
        while self._is_round_done():
            self._rounds.popleft()
            if not self._rounds:
                return None
            self._begin_round()
            self.serve()
        self._system.streams.wait(task.wake, task if self._only_reads() else None)
        return task.block(MESSAGE if self._missing() is not None else CONNECTION)

    def reason(self) -> Reason:
        """The partner that has not sent, or does not read."""
        missing = self._missing()
        if missing is not None:
            return Reason(Need.PEER, "a message from", peer=missing)
        line = next(line for line in self._lines.values() if not line.is_done())
        return Reason(Need.PEER, "room in the send buffer of its connection to", peer=line.machine)

    def is_over(self) -> bool:
        """Whether all messages that this round needs have come."""
        return bool(self._rounds) and self._is_round_done()

    def _only_reads(self) -> bool:
        """Whether there is nothing to write, or no connection to write it to: all that `serve` could do is to read."""
        if self._owed:
            return False
        for line in self._lines.values():
            if line.connection is None or line.connection.state != ESTABLISHED:
                continue
            if line.left or line.state == _NEW or (line.state == _WELCOME and line.number < line.due):
                return False
        return True

    def _missing(self) -> int | None:
        """The machine of the first partner whose message of this round has not come."""
        for other in self._rounds[0].source:
            if self._received[other] < self._wanted[other]:
                return self._lines[other].machine
        return None

    def absent(self) -> int | None:
        """The machine of the first partner that has not answered, or has not called; None if all have done both."""
        for other, line in self._lines.items():
            if line.state != _WELCOME or other not in self._callers:
                return line.machine
        return None

    def wait(self, task: Task) -> None:
        """Wake the task when anything has changed."""
        self._system.streams.wait(task.wake)

    def serve(self) -> None:
        """Read all that has come, and write as much as there is room for."""
        streams = self._system.streams
        streams.room.clear()
        while (delivery := streams.next_message()) is not None:
            self._take(delivery)
        owed, self._owed = self._owed, []
        for connection, message in owed:
            self._answer(connection, message)
        for line in self._lines.values():
            self._push(line)

    def _begin_round(self) -> None:
        now = self._rounds[0]
        for other in now.to:
            self._lines[other].due += 1
        for other in now.source:
            self._wanted[other] += 1

    def _is_round_done(self) -> bool:
        now = self._rounds[0]
        received, wanted, lines = self._received, self._wanted, self._lines
        for other in now.source:
            if received[other] < wanted[other]:
                return False
        return all(lines[other].is_done() for other in now.to)

    # -- out --------------------------------------------------------------------------------------------------------

    def _push(self, line: Line) -> None:
        connection = line.connection
        if connection is None or connection.state != ESTABLISHED:
            return
        write = self._system.streams.write
        while line.left or self._next(line):
            line.left -= write(connection, line.left, line.message)
            if line.left:
                return

    def _next(self, line: Line) -> bool:
        """Begin the next message of a line, if there is one."""
        if line.state == _NEW:
            line.state = _GREETED
            line.message, line.left = (_HELLO, self._rank, self._born_ns), _CONTROL
        elif line.state == _WELCOME and line.number < line.due:
            line.number += 1
            line.message, line.left = (_DATA, self._rank, line.number), self._size
        else:
            return False
        return True

    def _answer(self, connection: Connection, message: Message) -> None:
        if connection.state != ESTABLISHED:
            return
        if not self._system.streams.write(connection, _CONTROL, message):
            self._owed.append((connection, message))

    # -- in ---------------------------------------------------------------------------------------------------------

    def _take(self, delivery: Delivery) -> None:
        what, other, value = delivery.message
        if what == _DATA:
            self._received[other] = max(self._received[other], value)
        elif what == _HAVE:
            line = self._lines[other]
            line.state = _WELCOME
            line.number = value
        else:
            self._welcome(delivery.connection, other, value)

    def _welcome(self, connection: Connection, other: int, started_ns: int) -> None:
        """Note that a partner has called: it sends on this connection from now on."""
        before = self._callers.get(other)
        self._callers[other] = connection
        if before is not None:
            before.close("replaced")
        line = self._lines[other]
        if self._started.setdefault(other, started_ns) != started_ns and line.connection is not None:
            line.connection.close("its machine has been restarted")
        self._started[other] = started_ns
        self._answer(connection, (_HAVE, self._rank, self._received[other]))

    # -- connections ------------------------------------------------------------------------------------------------

    def _call(self, address: tuple[Line, int]) -> None:
        line, port = address
        line.connection = self._system.streams.call(line.machine, port)

    def _lost(self, connection: Connection) -> None:
        """Forget a connection that is gone; the rank's own are opened again after a while."""
        for line in self._lines.values():
            if line.connection is connection:
                line.connection, line.state, line.left = None, _NEW, 0
                self._system.call_at(self._system.now_ns + _RECONNECT_NS, self._call, (line, connection.peer_port))


class Opening:
    """Every partner of a rank: each has answered it, and been answered."""

    __slots__ = ("_exchange",)
    idle = False

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def begin(self, task: Task) -> Any:
        """Return None once all partners have answered."""
        self._exchange.serve()
        if self._exchange.absent() is None:
            return None
        self._exchange.wait(task)
        return task.block(CONNECTION)

    def reason(self) -> Reason:
        """The first partner that is missing."""
        absent = self._exchange.absent()
        return Reason(Need.NOTHING, "nobody") if absent is None else Reason(Need.PEER, "an answer from", peer=absent)

    def is_over(self) -> bool:
        """Whether all partners have answered."""
        return self._exchange.absent() is None
