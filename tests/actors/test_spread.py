"""Pages spread over several servers: who is sent what, when a page is written, when it is read, and who is passed over."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netswap.actors.counters import Counters
from netswap.actors.disk import WARM_VERSION, Disk
from netswap.actors.events import Events
from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.memory.files import LocalDisk
from netswap.actors.settings import Spread
from netswap.actors.swap.backup import Backup
from netswap.actors.swap.device import PageRequest, SwapDevice
from netswap.actors.swap.spread import SpreadDevice
from netswap.protocol.units import milliseconds, seconds

BASE = 500
"""Number of the rank's first page in the swap space."""
FAILOVER_NS = seconds(1)
DISK_NS = milliseconds(5)


class Server(SwapDevice):
    """A device whose server answers when a test says so."""

    def __init__(self, events: Events, counters: Counters, server: int, in_flight: int) -> None:
        super().__init__(events, counters, server, in_flight)
        self.unplugged = 0

    def _send(self, request: PageRequest, *, reclaimer: bool = False) -> None:
        self.under_way[request.xid] = request

    def timers(self) -> list[tuple[str, int, int]]:
        """None."""
        return []

    def unplug(self) -> None:
        """Noted."""
        self.unplugged += 1

    def asked(self) -> list[int]:
        """Pages that it has not answered for, in order."""
        return [request.page for request in self.under_way.values()]

    def answer(self, page: int, version: int | None = None) -> None:
        """Answer the oldest request about a page, a page-in with this version."""
        request = next(one for one in self.under_way.values() if one.page == page)
        del self.under_way[request.xid]
        versions = (
            request.versions if request.write else (request.space.versions[page] if version is None else version,)
        )
        self._answered(request, versions)


class Scene:
    """A spread device over so many servers, its owner, and a rank of 1000 pages."""

    def __init__(
        self,
        servers: int,
        parts: int = 1,
        needed: int = 1,
        acks: int | None = None,
        ask: int | None = None,
        *,
        backup: bool = False,
        chunk: int = 1,
        in_flight: int = 4,
    ) -> None:
        self.events = Events()
        self.counters = Counters()
        self.servers = [Server(self.events, self.counters, 10 + at, in_flight) for at in range(servers)]
        spread = Spread(
            tuple(one.server for one in self.servers),
            parts,
            needed,
            parts if acks is None else acks,
            parts if ask is None else ask,
            backup,
            FAILOVER_NS,
        )
        self.disk = Disk()
        self.keep = LocalDisk(self.events, self.disk, DISK_NS, 1 << 50, 1)
        copies = Backup(self.keep, 2) if backup else None
        self.device = SpreadDevice(self.events, self.counters, spread, self.servers, chunk, copies)
        self.device.owner = self
        self.space = AddressSpace("rank 0", BASE, 1000)
        self.space.warm(500, WARM_VERSION)
        self.written: list[int] = []
        self.read: list[tuple[int, int]] = []
        self.slots = 0

    def moved(self, request: PageRequest) -> None:
        """Nobody here counts for how long."""

    def page_written(self, space: AddressSpace, page: int, version: int) -> None:
        """A page-out is over."""
        self.written.append(page)

    def page_read(self, space: AddressSpace, page: int, version: int) -> None:
        """A page-in is over."""
        self.read.append((page, version))

    def slot_free(self) -> None:
        """Reclaim may go on."""
        self.slots += 1

    def who(self, page: int) -> list[int]:
        """The servers, from 0, that are asked about a page and have not answered."""
        return [at for at, one in enumerate(self.servers) if page in one.asked()]

    def run_for(self, duration_ns: int) -> None:
        """Let time pass."""
        end = self.events.now + duration_ns
        while self.events.next_ns() <= end:
            self.events.step()
        self.events.now = end

    def write(self, page: int, *servers: int, version: int = 8) -> None:
        """Write a page with new contents; these servers answer at once."""
        self.space.versions[page] = version
        self.device.page_out(self.space, page)
        for at in servers:
            self.servers[at].answer(page)


# -- who has what ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 8])
def test_striped_pages_go_round_the_servers(chunk: int) -> None:
    """By their number in the swap space, as many in a row as a request carries."""
    scene = Scene(3, chunk=chunk, in_flight=100)
    for page in range(48):
        scene.device.page_out(scene.space, page)
        assert scene.who(page) == [(BASE + page) // chunk % 3]
        scene.device.page_in(scene.space, 500 + page)
        assert scene.who(500 + page) == [(BASE + 500 + page) // chunk % 3]


def test_the_parts_of_a_page_are_at_different_servers_and_parity_goes_round() -> None:
    """2 + 1 parts of 5 servers: each has as many as any other."""
    scene = Scene(5, 3, 2, 2, in_flight=100)
    seen = [0] * 5
    for page in range(50):
        scene.device.page_out(scene.space, page)
        assert len(scene.who(page)) == 3
        for at in scene.who(page):
            seen[at] += 1
    assert seen == [30] * 5


# -- when a page is written ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("acks", [1, 2, 3])
def test_a_page_is_free_when_so_many_servers_have_it(acks: int) -> None:
    """Not with one fewer; and then it is counted once, and no longer under writeback."""
    scene = Scene(3, 3, 1, acks)
    scene.device.page_out(scene.space, 3)
    for at in range(acks):
        assert (scene.written, scene.device.writeback, scene.counters.pages_out) == ([], 1, 0)
        scene.servers[at].answer(3)
    assert (scene.written, scene.device.writeback, scene.counters.pages_out) == ([3], 0, 1)
    for at in range(acks, 3):
        scene.servers[at].answer(3)
    assert (scene.written, scene.device.writeback, scene.counters.pages_out) == ([3], 0, 1)
    assert scene.slots == 3


def test_what_waits_for_a_full_server_waits_in_order() -> None:
    """All copies are asked for and one server is full: nothing starts before it has answered."""
    scene = Scene(2, 2, in_flight=1)
    scene.device.page_out(scene.space, 1)
    scene.servers[0].answer(1)
    assert not scene.device.can_page_out()
    for page in (2, 3):
        scene.device.page_out(scene.space, page)
    assert scene.who(2) == scene.who(3) == []
    scene.servers[1].answer(1)
    assert (scene.written, scene.who(2), scene.who(3)) == ([1], [0, 1], [])
    assert not scene.device.can_page_out()
    for at in (0, 1):
        scene.servers[at].answer(2)
    assert (scene.written, scene.who(3), scene.device.writeback) == ([1, 2], [0, 1], 1)


def test_an_older_copy_under_way_is_not_overtaken() -> None:
    """Server 2 has not answered for the page's last contents: it is not sent the next, and not asked for them either."""
    scene = Scene(3, 3, 1, 2, 1)
    scene.write(3, 0, 1, version=8)
    assert scene.who(3) == [2]
    scene.write(3, 0, 1, version=9)
    assert scene.written == [3, 3]
    assert [request.versions for request in scene.servers[2].under_way.values()] == [(8,)]
    scene.servers[2].answer(3)
    scene.device.page_in(scene.space, 3)
    scene.servers[scene.who(3)[0]].answer(3)
    assert (scene.who(3), scene.read) == ([], [(3, 9)])
    for _ in range(5):
        scene.device.page_in(scene.space, 3)
        assert scene.who(3) != [2]
        scene.servers[scene.who(3)[0]].answer(3)


# -- when a page is read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("needed", "ask"), [(1, 1), (1, 3), (2, 3), (4, 6)])
def test_a_read_asks_for_so_many_parts(needed: int, ask: int) -> None:
    """Beyond those that make the page, as many as the scenario says."""
    scene = Scene(6, 6, needed, needed, ask)
    scene.device.page_in(scene.space, 700)
    assert len(scene.who(700)) == ask


@given(order=st.permutations(range(5)), needed=st.integers(1, 5))
def test_a_page_is_there_with_the_last_part_it_needs_whichever_come_first(order: list[int], needed: int) -> None:
    """Late binding: the k-th fastest of all that are asked decides; what comes later changes nothing."""
    scene = Scene(5, 5, needed, 5, 5)
    scene.device.page_in(scene.space, 700)
    for number, at in enumerate(order, 1):
        scene.servers[at].answer(700)
        assert scene.read == ([(700, WARM_VERSION)] if number >= needed else [])
    assert scene.counters.pages_in == 1


def test_a_part_with_another_version_is_no_part_of_the_page() -> None:
    """Another server is asked instead; only when nobody is left is the page lost, and its owner is told by the version."""
    scene = Scene(3, 3, 2, 3, 2)
    scene.device.page_in(scene.space, 700)
    first, second = scene.who(700)
    scene.servers[first].answer(700, version=6)
    assert len(scene.who(700)) == 2
    scene.servers[second].answer(700)
    scene.servers[scene.who(700)[0]].answer(700)
    assert scene.read == [(700, WARM_VERSION)]
    scene.device.page_in(scene.space, 701)
    while scene.who(701):
        scene.servers[scene.who(701)[0]].answer(701, version=6)
    assert scene.read == [(700, WARM_VERSION), (701, 6)]


def test_an_answer_to_an_earlier_read_of_the_same_page_may_say_what_it_was_then() -> None:
    """The server is asked again."""
    scene = Scene(2, 2, 1, 2, 2)
    scene.device.page_in(scene.space, 3)
    slow = scene.who(3)[1]
    scene.servers[1 - slow].answer(3)
    scene.write(3, 1 - slow)
    later = list(scene.servers[slow].under_way.values())[1]
    del scene.servers[slow].under_way[later.xid]
    scene.servers[slow]._answered(later, later.versions)
    scene.device.page_in(scene.space, 3)
    scene.servers[slow].answer(3, version=WARM_VERSION)
    assert scene.read == [(3, WARM_VERSION)]
    scene.servers[slow].answer(3)
    assert scene.read == [(3, WARM_VERSION), (3, 8)]


# -- who is passed over ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("acks", "goes_on"), [(2, True), (3, False)])
def test_a_silent_server_is_written_past_if_enough_others_have_the_page(acks: int, goes_on: bool) -> None:
    """Not before the time of failover, and not while all copies are asked for."""
    scene = Scene(3, 3, 1, acks)
    for page in range(4):
        scene.write(page, 0, 1)
    assert not scene.device.can_page_out()
    slots = scene.slots
    scene.run_for(FAILOVER_NS)
    assert scene.device.can_page_out() is goes_on
    assert scene.slots > slots
    if goes_on:
        scene.write(9, 0, 1)
        assert scene.who(9) == []
        scene.servers[2].answer(0)
        scene.write(10, 0, 1)
        assert scene.who(10) == [2]


def test_a_server_that_answers_others_meanwhile_is_not_out() -> None:
    """A long queue is no silence."""
    scene = Scene(2, 2, 1, 1)
    for page in range(4):
        scene.write(page, 0)
    scene.run_for(FAILOVER_NS - 1)
    scene.servers[1].answer(0)
    scene.write(4, 0)
    scene.run_for(FAILOVER_NS - 1)
    assert not scene.device.can_page_out()
    scene.run_for(FAILOVER_NS)
    assert scene.device.can_page_out()


@pytest.mark.parametrize("lost", list(combinations(range(4), 2)))
def test_two_parities_survive_the_loss_of_any_two(lost: tuple[int, int]) -> None:
    """2 + 2 of four servers: pages are written and read with any two of them silent, the first read after the failover."""
    scene = Scene(4, 4, 2, 2, 3, in_flight=8)
    alive = [at for at in range(4) if at not in lost]
    for page in (700, 701):
        scene.device.page_in(scene.space, page)
        for _ in range(3):
            for at in alive:
                if page in scene.servers[at].asked():
                    scene.servers[at].answer(page)
            scene.run_for(FAILOVER_NS)
        scene.write(page, *alive)
    assert scene.read == [(700, WARM_VERSION), (701, WARM_VERSION)]
    assert scene.written == [700, 701]


def test_with_one_more_lost_a_page_is_waited_for_until_a_server_is_back() -> None:
    """3 of 2 + 2: nothing is read, nothing is made up."""
    scene = Scene(4, 4, 2, 2, 3, in_flight=8)
    scene.device.page_in(scene.space, 700)
    for _ in range(10):
        for at in scene.who(700):
            if at == 0:
                scene.servers[at].answer(700)
        scene.run_for(FAILOVER_NS)
    assert scene.read == []
    assert scene.who(700) == [1, 2, 3]
    scene.servers[2].answer(700)
    assert scene.read == [(700, WARM_VERSION)]


def test_servers_that_are_out_are_asked_last() -> None:
    """After a silence reads go to the others alone."""
    scene = Scene(3, 3, 1, 2, 1)
    for page in range(4):
        scene.write(page, 0, 1)
    scene.run_for(FAILOVER_NS)
    for page in range(700, 712):
        scene.device.page_in(scene.space, page)
        assert scene.who(page) != [2]
        scene.servers[scene.who(page)[0]].answer(page)


# -- the disk --------------------------------------------------------------------------------------------------------


def test_nobody_waits_for_the_disk_while_the_server_answers() -> None:
    """The page is free at once, and the copy follows."""
    scene = Scene(1, backup=True)
    scene.write(3, 0)
    assert scene.written == [3]
    scene.run_for(DISK_NS)
    assert scene.keep.keep("swap backup")["swap backup"].read(BASE + 3, 1) == (8,)


def test_the_disk_is_enough_once_the_server_is_silent() -> None:
    """What was under way to it is free after the failover, what comes later when the disk has it."""
    scene = Scene(1, backup=True)
    scene.write(3)
    scene.run_for(DISK_NS)
    assert scene.written == []
    scene.run_for(FAILOVER_NS)
    assert scene.written == [3]
    scene.write(4)
    assert scene.written == [3]
    scene.run_for(DISK_NS)
    assert scene.written == [3, 4]


def test_what_a_silent_server_had_is_read_from_the_disk_at_its_latency() -> None:
    """And what the disk has not written yet is read from where it waits."""
    scene = Scene(1, backup=True)
    scene.write(3)
    scene.run_for(FAILOVER_NS)
    scene.write(4)
    for page, version in ((3, 8), (4, 8), (700, WARM_VERSION)):
        scene.device.page_in(scene.space, page)
        assert scene.who(page) == ([] if page == 700 else [0])
        scene.run_for(DISK_NS)
        assert scene.read[-1] == (page, version)


def test_a_read_that_is_not_answered_goes_to_the_disk() -> None:
    """After the failover; without a disk it waits for ever."""
    for backup in (True, False):
        scene = Scene(1, backup=backup)
        scene.device.page_in(scene.space, 700)
        scene.run_for(FAILOVER_NS + DISK_NS)
        assert scene.read == ([(700, WARM_VERSION)] if backup else [])


def test_page_outs_are_no_faster_than_the_disk_in_the_long_run() -> None:
    """Its queue takes two."""
    scene = Scene(1, backup=True)
    scene.write(1, 0)
    assert scene.device.can_page_out()
    scene.write(2, 0)
    assert not scene.device.can_page_out()
    scene.run_for(DISK_NS)
    assert scene.device.can_page_out()


def test_the_copies_survive_a_crash() -> None:
    """They are on disk."""
    scene = Scene(1, backup=True)
    scene.write(3, 0)
    scene.run_for(DISK_NS)
    assert Backup(scene.keep, 2).version(BASE + 3) == 8


# -- what is seen of it ----------------------------------------------------------------------------------------------


def test_its_links_are_the_devices_of_its_servers() -> None:
    """A device with one server is its own."""
    scene = Scene(3, 3)
    assert list(scene.device.links) == scene.servers
    assert [list(one.links) for one in scene.servers] == [[one] for one in scene.servers]
    scene.device.unplug()
    assert [one.unplugged for one in scene.servers] == [1, 1, 1]
