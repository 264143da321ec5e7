"""Pages spread over several swap servers: striped, mirrored or coded, with or without a copy on the machine's own disk.

All three are one rule. A page has `parts`, each at a server of its own; it is written once `acks` of them have been
answered, and read as soon as `needed` of them are there, of the `ask` that are asked for. Striped: one part. Mirrored: as
many as there are servers, each of them the page. Coded: k data and r parity, of which any k make the page; it is written
after k, the others come later, and a read takes the k that are first (late binding; Lee et al., Hydra, FAST 2022).

The servers have a device each, with its own socket or connection, slots and time-outs. A server that has left a request
unanswered and said nothing for the time `failover` is *out* until it answers something: others are asked first, and as
soon as it takes no more requests, pages are written without it where the layout allows that. What a server has missed, or
has not answered yet, it is not asked for. Parts that are under way after their page has been freed lie in buffers that
were set aside for them, like the mempools of stacked block devices (mm/mempool.c).
"""

from collections import deque
from collections.abc import Sequence

from netswap.actors.counters import Counters
from netswap.actors.events import Events, Timer
from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.settings import Spread
from netswap.actors.swap.backup import Backup
from netswap.actors.swap.device import PageRequest, SwapDevice
from netswap.actors.wait import DISK, REPLY, SLOT


class Replica:
    """One server's device, as the owner of its answers."""

    __slots__ = ("device", "heard_ns", "index", "is_full", "is_late", "reading", "writing", "_events", "_spread")

    def __init__(self, spread: "SpreadDevice", events: Events, index: int, device: SwapDevice) -> None:
        self.device = device
        self.index = index
        self.heard_ns = 0
        """When the server answered last."""
        self.is_late = False
        """Whether the server has not answered for too long since it was sent a request."""
        self.is_full = False
        """Whether the server has no room for more pages."""
        self.writing: dict[int, int] = {}
        """Versions under way to the server, by the page's number."""
        self.reading: set[int] = set()
        """Pages that the server has been asked for and has not sent."""
        self._events = events
        self._spread = spread

    @property
    def is_out(self) -> bool:
        """Whether other servers are to be asked first."""
        return self.is_late or not self.device.is_open

    def owes(self, since_ns: int, patience_ns: int) -> None:
        """Look whether the server has answered a request of that time, or anything since; it is out if not."""
        if self._events.now - max(since_ns, self.heard_ns) >= patience_ns:
            self.is_late = True

    def page_written(self, space: AddressSpace, page: int, version: int) -> None:
        """The server has a part."""
        self._heard()
        self.is_full = False
        number = space.base + page
        self.writing.pop(number, None)
        self._spread.part_written(self, number, version)

    def page_read(self, space: AddressSpace, page: int, version: int) -> None:
        """The server has sent a part."""
        self._heard()
        number = space.base + page
        self.reading.discard(number)
        self._spread.part_read(self, number, version)

    def put_off(self) -> None:
        """The server has no room for a page; others may have."""
        self._heard()
        self.is_full = True
        self._spread.look_again()

    def page_not_written(self, space: AddressSpace, page: int) -> None:
        """Never: the device for one of several servers fails no request, it waits."""

    def page_not_read(self, space: AddressSpace, page: int) -> None:
        """Never, as above."""

    def moved(self, request: PageRequest) -> None:
        """A request for a part has found a slot, or has been sent."""
        self._spread.owner.moved(request)

    def slot_free(self) -> None:
        """The server takes another request."""
        self._spread.go_on()

    def _heard(self) -> None:
        self.heard_ns = self._spread.last_reply_ns = self._events.now
        self.is_late = False


class _Write:
    """A page-out, and the servers that do not have their part yet."""

    __slots__ = ("behind", "done", "held", "is_saved", "number", "page", "sent_ns", "space", "version")

    def __init__(self, space: AddressSpace, page: int, now_ns: int, behind: Sequence[int]) -> None:
        self.space = space
        self.page = page
        self.number = space.base + page
        self.version: int = space.versions[page]
        self.sent_ns = now_ns
        self.behind = set(behind)
        self.held = 0
        """Servers that have their part."""
        self.is_saved = False
        """Whether it is on disk."""
        self.done = False


class _Read:
    """A page-in: the servers that have been asked, and the parts that have come."""

    __slots__ = ("asked", "done", "from_disk", "got", "joined", "number", "open", "page", "sent_ns", "space")

    def __init__(self, space: AddressSpace, page: int, now_ns: int) -> None:
        self.space = space
        self.page = page
        self.number = space.base + page
        self.sent_ns = now_ns
        self.asked: set[int] = set()
        self.open: set[int] = set()
        """Servers that have not answered."""
        self.joined: set[int] = set()
        """Servers that an earlier read has asked for the same page already, perhaps for other contents."""
        self.got = 0
        self.from_disk = False
        self.done = False


class SpreadDevice(SwapDevice):
    """Requests under way to several swap servers."""

    def __init__(
        self,
        events: Events,
        counters: Counters,
        spread: Spread,
        devices: Sequence[SwapDevice],
        chunk: int,
        backup: Backup | None = None,
    ) -> None:
        """`chunk`: pages that follow each other and have the same servers, as many as a request may carry.

        `backup`: the disk to which each page is copied too.
        """
        super().__init__(events, counters, spread.servers[0], sum(device.in_flight for device in devices))
        self.spread = spread
        self._links = [Replica(self, events, index, device) for index, device in enumerate(devices)]
        for link in self._links:
            link.device.owner = link
            link.device.counts = Counters()
        self._devices = tuple(devices)
        self._chunk = chunk
        servers = len(devices)
        self._rows = [[(first + part) % servers for part in range(spread.parts)] for first in range(servers)]
        """The servers of a page's parts, by the server of the first part."""
        self._spare = spread.parts - spread.acks
        self._backup = backup
        self._writes: dict[int, _Write] = {}
        """By number, the last page-out of each page that some server has missed or not answered yet."""
        self._reads: dict[int, _Read] = {}
        self._waiting: deque[tuple[AddressSpace, int]] = deque()
        """Page-outs for which too few servers take a request."""
        self._watched: deque[tuple[int, _Write | _Read]] = deque()
        """(ns, operation under way), in the order in which patience ends."""

    # -- what others may see ----------------------------------------------------------------------------------------

    @property
    def links(self) -> Sequence[SwapDevice]:
        """The devices of its servers."""
        return self._devices

    def timers(self) -> list[Timer]:
        """The timers of all servers."""
        return [timer for device in self._devices for timer in device.timers()]

    def stage(self, number: int) -> int:
        """The kind of wait of a page: for the reply that is nearest, or the machine's own disk."""
        if self.reads_from_disk(number):
            return DISK
        stages = [link.stage(number) for link in self._devices if link.knows(number)]
        return REPLY if REPLY in stages else next(iter(stages), SLOT)

    def knows(self, number: int) -> bool:
        """Whether any server has been asked for this page, or the disk."""
        return self.reads_from_disk(number) or any(link.knows(number) for link in self._devices)

    def hindrance(self) -> str:
        """The wait at the first server that takes no page-out, unless enough others do."""
        if self.can_page_out():
            return ""
        waiting = f"{len(self._waiting)} page-outs before it" if self._waiting else "room on the backup disk"
        return next((said for link in self._devices if (said := link.hindrance())), waiting)

    def reads_from_disk(self, number: int) -> bool:
        """Whether this page is on its way from the machine's own disk."""
        return number in self._reads and self._reads[number].from_disk

    # -- what reclaim and faults ask for ----------------------------------------------------------------------------

    def can_page_out(self) -> bool:
        """Whether enough servers take a request for any page; those that are out need not."""
        if self._waiting or (self._backup is not None and not self._backup.has_room()):
            return False
        full = 0
        for link in self._links:
            if not link.device.can_page_out():
                if not (link.is_out or link.is_full):
                    return False
                full += 1
        return full <= self._spare or self._backup is not None

    def page_out(self, space: AddressSpace, page: int) -> None:
        """Write a page to its servers, as a reclaimer."""
        self.writeback += 1
        takers = self._takers(space.base + page)
        if self._is_enough(takers):
            self._write(space, page, takers)
        else:
            self._waiting.append((space, page))

    def page_in(self, space: AddressSpace, page: int) -> None:
        """Read a page back from as many of its servers as it takes, as the process that needs it."""
        read = _Read(space, page, self._events.now)
        self._reads[read.number] = read
        self._ask(read, self.spread.ask)
        self._watch(read)

    def unplug(self) -> None:
        """Note that no more pages are submitted for now."""
        for device in self._devices:
            device.unplug()

    # -- page-outs --------------------------------------------------------------------------------------------------

    def _row(self, number: int) -> list[int]:
        """The servers of a page."""
        return self._rows[number // self._chunk % len(self._rows)]

    def _takers(self, number: int) -> list[Replica]:
        """The servers of a page that take a page-out now; none while an older one of the same page may still overtake it."""
        links = [self._links[index] for index in self._row(number)]
        return [link for link in links if number not in link.writing and link.device.can_page_out()]

    def _is_enough(self, takers: list[Replica]) -> bool:
        return self._backup is not None or len(takers) >= self.spread.acks

    def _write(self, space: AddressSpace, page: int, takers: list[Replica]) -> None:
        write = _Write(space, page, self._events.now, self._row(space.base + page))
        self._writes[write.number] = write
        for link in takers:
            link.writing[write.number] = write.version
            link.device.page_out(space, page)
        if self._backup is not None:
            self._backup.write(write.number, write.version, self._saved, write)
        self._watch(write)

    def part_written(self, link: Replica, number: int, version: int) -> None:
        """Note that a server has its part of a page; the answer to an older page-out says nothing about this one."""
        write = self._writes.get(number)
        if write is None or write.version != version or link.index not in write.behind:
            return
        write.behind.discard(link.index)
        write.held += 1
        if not write.behind:
            del self._writes[number]
        self._settle(write)

    def _saved(self, write: _Write) -> None:
        """Note that the disk has a page."""
        write.is_saved = True
        self._settle(write)
        self.go_on()

    def _settle(self, write: _Write) -> None:
        """Free the page once enough servers have it, or once the disk has it and enough servers never will."""
        if write.done or (write.held < self.spread.acks and not (write.is_saved and not self._may_come(write))):
            return
        write.done = True
        self.writeback -= 1
        self.counts.pages_out += 1
        self.owner.page_written(write.space, write.page, write.version)

    def _may_come(self, write: _Write) -> bool:
        """Whether enough servers may still have it soon."""
        under_way = [self._links[index] for index in self._under_way(write)]
        coming = sum(not (link.is_out or link.is_full) for link in under_way)
        return write.held + coming >= self.spread.acks

    def _under_way(self, write: _Write) -> list[int]:
        """The servers that have been sent their part and have not answered."""
        return [
            index for index in sorted(write.behind) if self._links[index].writing.get(write.number) == write.version
        ]

    def look_again(self) -> None:
        """Note that a server has no room: pages on the disk are free, and other servers may take the rest."""
        for write in [one for one in self._writes.values() if not one.done]:
            self._settle(write)
        self.go_on()

    def go_on(self) -> None:
        """Use a slot that has become free: page-outs that wait go first."""
        while self._waiting:
            space, page = self._waiting[0]
            takers = self._takers(space.base + page)
            if not self._is_enough(takers):
                return
            self._waiting.popleft()
            self._write(space, page, takers)
        self.owner.slot_free()

    # -- page-ins ---------------------------------------------------------------------------------------------------

    def _ask(self, read: _Read, wanted: int) -> None:
        """Ask `count` more servers that have the page, and have a slot for it unless it takes the others too.

        Those that are out are asked only if it takes them and there is no disk.
        """
        write = self._writes.get(read.number)
        holders = [
            self._links[index]
            for index in self._row(read.number)
            if index not in read.asked and (write is None or index not in write.behind)
        ]
        chosen = [link for link in holders if not link.is_out and link.device.has_slot()][:wanted]
        if len(chosen) < self.spread.needed - read.got:
            chosen = [link for link in holders if not link.is_out][:wanted]
        lacking = self.spread.needed - read.got - len(chosen)
        if lacking > 0 and self._backup is not None:
            self._read_disk(read)
        elif lacking > 0:
            chosen += [link for link in holders if link.is_out][:lacking]
        for link in chosen:
            self._ask_one(link, read)

    def _ask_one(self, link: Replica, read: _Read) -> None:
        read.asked.add(link.index)
        read.open.add(link.index)
        if read.number in link.reading:
            read.joined.add(link.index)
            return
        link.reading.add(read.number)
        link.device.page_in(read.space, read.page)

    def _read_disk(self, read: _Read) -> None:
        if not read.from_disk and self._backup is not None:
            read.from_disk = True
            self._backup.read(read.number, self._read_from_disk, read)

    def _read_from_disk(self, read: _Read) -> None:
        if not read.done and self._backup is not None:
            self._found(read, self._backup.version(read.number))

    def part_read(self, link: Replica, number: int, version: int) -> None:
        """Take a part of a page: with enough parts of one version the page is whole."""
        read = self._reads.get(number)
        if read is None or link.index not in read.open:
            return
        read.open.discard(link.index)
        if version == read.space.versions[read.page]:
            read.got += 1
            if read.got == self.spread.needed:
                self._found(read, version)
        elif link.index in read.joined:
            read.joined.discard(link.index)
            self._ask_one(link, read)
        else:
            self._ask(read, 1)
            if not read.open and not read.from_disk:
                self._found(read, version)

    def _found(self, read: _Read, version: int) -> None:
        read.done = True
        del self._reads[read.number]
        self.counts.pages_in += 1
        self.owner.page_read(read.space, read.page, version)

    # -- patience ---------------------------------------------------------------------------------------------------

    def _watch(self, what: _Write | _Read) -> None:
        """Look at an operation when patience ends; it is as long for all, so they end in order."""
        if not self._watched:
            self._events.after(self.spread.failover_ns, self._look, None)
        self._watched.append((self._events.now + self.spread.failover_ns, what))

    def _look(self, _: object) -> None:
        now = self._events.now
        due: list[_Write | _Read] = []
        while self._watched and (self._watched[0][0] <= now or _is_over(self._watched[0][1])):
            due.append(self._watched.popleft()[1])
        if self._watched:
            self._events.at(self._watched[0][0], self._look, None)
        again = [one for one in due if not _is_over(one)]
        for one in again:
            for index in self._under_way(one) if isinstance(one, _Write) else sorted(one.open):
                self._links[index].owes(one.sent_ns, self.spread.failover_ns)
        for one in again:
            if isinstance(one, _Write):
                self._settle(one)
            elif not one.done:
                self._ask(one, self.spread.ask - one.got)
                self.unplug()
            if self._is_awaited(one):
                self._watch(one)
        if again:
            self.go_on()

    def _is_awaited(self, what: _Write | _Read) -> bool:
        """Whether a server owes an answer, and is not known to be out already, or the page is not there yet."""
        if isinstance(what, _Write):
            return bool(self._under_way(what))
        return not what.done or any(not self._links[index].is_late for index in what.open)


def _is_over(what: _Write | _Read) -> bool:
    """Whether an operation is over, with no answer to come."""
    return what.done and not (what.behind if isinstance(what, _Write) else what.open)
