"""TCP for programs: connections that a program has opened or accepted, and the system calls that wait for them."""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from netswap.actors.memory.zone import Zone
from netswap.actors.net.loopback import PairEnd
from netswap.actors.net.tcp import Tcp
from netswap.actors.net.tcp_connection import CLOSED, ESTABLISHED, Connection
from netswap.actors.programs.task import Need, Reason, Task
from netswap.actors.wait import CONNECTION, MESSAGE
from netswap.protocol.tcp import Message

Wake = Callable[[Any], None]


class Delivery(NamedTuple):
    """A message that has been read to its end."""

    connection: Connection
    size: int
    """Bytes."""
    message: Message

    @property
    def source(self) -> int:
        """Index of the machine that sent it."""
        return self.connection.peer


class Streams:
    """All connections of one program; it is their owner."""

    __slots__ = (
        "_line",
        "_patient",
        "_ports",
        "_read",
        "_tcp",
        "_waiting",
        "_zone",
        "memalloc",
        "on_closed",
        "realtime",
        "room",
    )

    def __init__(self, tcp: Tcp, zone: Zone) -> None:
        self.room: deque[Connection] = deque()
        """Connections that may be written to, each once; a program that writes takes one off and puts it back."""
        self.on_closed: Callable[[Connection], None] | None = None
        """Called when a connection is gone."""
        self.realtime = False
        """Whether the program is scheduled in real time."""
        self.memalloc = False
        """Whether what the program writes may ignore the watermarks (PF_MEMALLOC)."""
        self._tcp = tcp
        self._zone = zone
        self._line: deque[Connection] = deque()
        """Connections with something to read, each once."""
        self._read: deque[Delivery] = deque()
        self._ports: list[int] = []
        self._waiting: list[Wake] = []
        self._patient: Task | None = None
        """The task that waits, if nothing but a whole message, or a change of a connection, can end its wait."""

    # -- what the kernel says ---------------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """Note that a connection may be written to."""
        self.writable(connection)

    def readable(self, connection: Connection) -> None:
        """Put a connection in line to be read."""
        if not connection.in_line:
            connection.in_line = True
            self._line.append(connection)
        self.wake()

    def writable(self, connection: Connection) -> None:
        """Note that a connection has room again."""
        self.room.append(connection)
        self.wake()

    def closed(self, connection: Connection, why: str) -> None:
        """Forget a connection that is gone, and wake the request that waits for it."""
        for queue in (self.room, self._line):
            if connection in queue:
                queue.remove(connection)
        if self.on_closed is not None:
            self.on_closed(connection)
        self.wake()

    def wake(self) -> None:
        """Wake the program: something has changed."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        self._patient = None
        for wake in waiting:
            self._tcp.events.after(0, wake)

    def reads_on(self) -> bool:
        """As `Reader.reads_on`."""
        task = self._patient
        return task is not None and not task.frozen and len(self._waiting) == 1 and not self._line and not self._read

    def has_read_on(self) -> None:
        """As `Reader.has_read_on`."""
        if self._patient is not None:
            waited = self._patient.progress.waited
            waited.turn(waited.kind)

    # -- what the program does --------------------------------------------------------------------------------------

    def listen(self, port: int, rcvbuf: int | None) -> None:
        """Accept all callers on a port."""
        self._tcp.listen(port, self._accept, rcvbuf)
        self._ports.append(port)

    def _accept(self, connection: Connection) -> "Streams":
        connection.reader = self
        return self

    def exit(self) -> None:
        """Close all connections and ports, since the program has ended; it is not told."""
        self.on_closed = None
        self._waiting.clear()
        self._tcp.abandon(self, self._ports)

    def call(self, to: int, port: int) -> Connection:
        """Begin to open a connection."""
        connection = self._tcp.connect(to, port, self)
        connection.reader = self
        return connection

    def wait(self, wake: Wake, patient: Task | None = None) -> None:
        """Call `wake` when anything has changed.

        `patient`: the task, if all that it would do about bytes of which none is the last of a message is to read them.
        """
        self._waiting.append(wake)
        self._patient = patient

    @property
    def floor(self) -> int:
        """How far down goes what the kernel allocates in the program's name; the marks may be raised and lowered meanwhile.

        What is withheld for clean pages is kept from data, not from packets.
        """
        zone = self._zone
        return zone.floors.realtime if self.realtime else zone.floors.kernel - zone.withheld

    def write(self, connection: Connection | PairEnd, size: int, message: Message) -> int:
        """Queue as much of a message as fits, as a process; the number of bytes queued."""
        return connection.write(size, message, floor=self.floor, memalloc=self.memalloc)

    def has_message(self) -> bool:
        """Whether there is anything to read."""
        return bool(self._read) or any(one.receiver.ready for one in self._line)

    def next_message(self) -> Delivery | None:
        """Read on, connections in turn and a segment of each, until a message is whole; None if none is yet."""
        line, read = self._line, self._read
        while not read and line:
            connection = line.popleft()
            for size, message in connection.read():
                read.append(Delivery(connection, size, message))
            connection.in_line = bool(connection.receiver.ready)
            if connection.in_line:
                line.append(connection)
        return read.popleft() if read else None


class ReceiveMessage:
    """The next message on any connection of the program."""

    __slots__ = ("_streams",)
    idle = True

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def begin(self, task: Task) -> Any:
        """Return a `Delivery`."""
        message = self._streams.next_message()
        if message is None:
            self._streams.wait(task.wake, task)
            return task.block(MESSAGE)
        return message

    def reason(self) -> Reason:
        """A message."""
        return Reason(Need.NOTHING, "a message")

    def is_over(self) -> bool:
        """Whether there is one."""
        return self._streams.has_message()


class Connect:
    """A connection to another machine; None if there is no answer, or no program listens there."""

    __slots__ = ("_connection", "_peer", "_port", "_streams")
    idle = False

    def __init__(self, streams: Streams, peer: int, port: int) -> None:
        self._streams = streams
        self._peer = peer
        self._port = port
        self._connection: Connection | None = None

    def begin(self, task: Task) -> Any:
        """Return the `Connection` once it is open."""
        if self._connection is None:
            self._connection = self._streams.call(self._peer, self._port)
        if self._connection.state in (ESTABLISHED, CLOSED):
            return self._connection if self._connection.state == ESTABLISHED else None
        self._streams.wait(task.wake)
        return task.block(CONNECTION)

    def reason(self) -> Reason:
        """The other machine."""
        return Reason(Need.PEER, "an answer from", peer=self._peer)

    def is_over(self) -> bool:
        """Whether it is open, or has been given up."""
        return self._connection is not None and self._connection.state in (ESTABLISHED, CLOSED)


class SendMessage:
    """A whole message put into a connection's send buffer; False if the connection is gone before that."""

    __slots__ = ("_connection", "_left", "_message", "_streams")
    idle = False

    def __init__(self, streams: Streams, connection: Connection, size: int, message: Message) -> None:
        self._streams = streams
        self._connection = connection
        self._left = size
        self._message = message

    def begin(self, task: Task) -> Any:
        """Return True once the last byte is in the buffer."""
        if self._connection.state != ESTABLISHED:
            return False
        self._left -= self._streams.write(self._connection, self._left, self._message)
        if not self._left:
            return True
        self._streams.wait(task.wake)
        return task.block(CONNECTION)

    def reason(self) -> Reason:
        """The reader at the other end."""
        return Reason(Need.PEER, "room in the send buffer of its connection to", peer=self._connection.peer)

    def is_over(self) -> bool:
        """Whether the connection is gone, or its buffer is as empty as it has to be for a writer to be woken."""
        return self._connection.state != ESTABLISHED or self._connection.could_go_on()


class Room:
    """A wait until any connection may be written to."""

    __slots__ = ("_peer", "_streams")
    idle = False

    def __init__(self, streams: Streams, peer: int) -> None:
        """`peer`: the machine that the reason names."""
        self._streams = streams
        self._peer = peer

    def begin(self, task: Task) -> Any:
        """Return None; `Streams.room` has the connection."""
        if self._streams.room:
            return None
        self._streams.wait(task.wake)
        return task.block(CONNECTION)

    def reason(self) -> Reason:
        """The readers at the other end."""
        return Reason(Need.PEER, "room in the send buffers of its connections to", peer=self._peer)

    def is_over(self) -> bool:
        """Whether there is one."""
        return bool(self._streams.room)


class Poll:
    """A wait for anything new on any of the program's connections; the program has looked at all of them before."""

    __slots__ = ("_peer", "_streams", "_waited", "idle")

    def __init__(self, streams: Streams, peer: int | None) -> None:
        """`peer`: the machine that cannot be written to although there is something to write; None: the wait is idle."""
        self._streams = streams
        self._peer = peer
        self._waited = False
        self.idle = peer is None

    def begin(self, task: Task) -> Any:
        """Return None once something is new."""
        if self._waited:
            return None
        self._waited = True
        self._streams.room.clear()
        self._streams.wait(task.wake)
        return task.block(MESSAGE if self.idle else CONNECTION)

    def reason(self) -> Reason:
        """The reader at the other end, or a message of any machine."""
        if self._peer is None:
            return Reason(Need.NOTHING, "a message")
        return Reason(Need.PEER, "room in the send buffer of its connection to", peer=self._peer)

    def is_over(self) -> bool:
        """Whether anything is new."""
        return self._streams.has_message() or bool(self._streams.room)
