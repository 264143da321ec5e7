"""The wait-for graph of a machine: what each blocked task waits for, and what that waits for in turn.

Read off the machine's parts when it is asked for; form, quantities and sentences as reports show them.
"""

from dataclasses import dataclass, field

from netswap.actors.machine.door import Machine
from netswap.actors.machine_report import NodeId, NodeKind, WaitNode
from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.memory.buddy import BuddyZone
from netswap.actors.memory.files import File
from netswap.actors.memory.large import LargeCache
from netswap.actors.memory.waiter import Asleep
from netswap.actors.net.arp import FAILED, INCOMPLETE
from netswap.actors.net.virtio import VirtioNic
from netswap.actors.programs.task import Need, Task
from netswap.actors.swap.connections import ConnectedDevice
from netswap.actors.swap.device import PageRequest, SwapDevice
from netswap.actors.swap.nbd import NbdDevice, ProxiedNbdDevice
from netswap.actors.swap.own_disk import DiskDevice
from netswap.actors.swap.spread import SpreadDevice


def waits(machine: Machine, names: list[str]) -> tuple[WaitNode, ...]:
    """The wait-for graph of one machine, read off what each of its tasks is blocked in."""
    graph = _Graph(machine, names)
    for one in machine.programs:
        graph.task(one.task)
    return graph.nodes()


@dataclass(slots=True)
class _Draft:
    """A node while more may be found that it waits for."""

    sentence: str
    waits_for: list[NodeId]
    quantities: dict[str, int] = field(default_factory=dict)


class _Graph:
    """Follows what is waited for until nothing is left to explain."""

    def __init__(self, machine: Machine, names: list[str]) -> None:
        self._drafts: dict[NodeId, _Draft] = {}
        self._machine = machine
        self._names = names

    def nodes(self) -> tuple[WaitNode, ...]:
        """The nodes found."""
        return tuple(
            WaitNode(node, draft.sentence, tuple(draft.waits_for), draft.quantities)
            for node, draft in self._drafts.items()
        )

    def task(self, task: Task) -> None:
        """Add a process, and follow what it is blocked in."""
        if task.frozen:
            self._answers(self._add(self._id(NodeKind.TASK, task.name), f"{task.name} stands still: it is frozen"))
            return
        if task.request is None or task.request.idle:
            return
        reason = task.request.reason()
        sentence = reason.sentence
        targets: list[NodeId] = []
        if reason.need is Need.NOTHING:
            return
        if reason.need is Need.PEER:
            peer = self._names[reason.peer]
            sentence = f"{sentence} {peer}"
            targets.append(NodeId(peer, NodeKind.ANSWER))
        elif reason.need is Need.PAGE_IN and reason.space is not None:
            targets.append(self._page_in(reason.space, reason.page))
        elif reason.need is Need.FREE_PAGE:
            targets.append(self._free_page())
        elif reason.need is Need.DIRTY_LIMIT:
            targets.append(self._dirty_limit())
        self._answers(self._add(self._id(NodeKind.TASK, task.name), f"{task.name} waits for {sentence}", *targets))

    def _answers(self, node: NodeId) -> None:
        """A task that waits for an answer of this machine waits for the machine's tasks."""
        answer = self._id(NodeKind.ANSWER)
        if answer not in self._drafts:
            self._add(answer, f"an answer from {answer.machine}")
        self._drafts[answer].waits_for.append(node)

    def _id(self, kind: NodeKind, detail: str = "") -> NodeId:
        return NodeId(self._machine.settings.name, kind, detail)

    def _add(self, node: NodeId, sentence: str, *targets: NodeId, **quantities: int) -> NodeId:
        self._drafts[node] = _Draft(sentence, list(targets), quantities)
        return node

    def _free_page(self) -> NodeId:
        node = self._id(NodeKind.FREE_PAGE)
        if node in self._drafts:
            return node
        zone = self._machine.zone
        floors = zone.floors
        self._add(node, f"a free page: {self._why_no_page()}")
        draft = self._drafts[node]
        draft.waits_for += [self._page_outs(), *self._queues()]
        draft.quantities = {
            "free": zone.free,
            "min": floors.kernel,
            "atomic": floors.atomic,
            "waiters": len(self._machine.reclaim.waiters),
            "asleep": self._machine.reclaim.sleepers(),
        }
        return node

    def _why_no_page(self) -> str:
        """The marks that free memory is below, or what else reclaiming tasks sleep for."""
        zone, reclaim = self._machine.zone, self._machine.reclaim
        marks = f"free {zone.free}, min {zone.floors.kernel}"
        asleep = [waiter.asleep for waiter in reclaim.waiters]
        if not asleep or Asleep.NOWHERE in asleep:
            return f"{marks}, atomic floor {zone.floors.atomic}"
        said = []
        if Asleep.SLOT in asleep:
            device = self._machine.device
            what = device.hindrance() if device is not None else ""
            said.append(
                f"{asleep.count(Asleep.SLOT)} reclaiming tasks sleep, whatever becomes free, for {what or 'a slot'}"
            )
        if Asleep.THROTTLE in asleep:
            throttled = asleep.count(Asleep.THROTTLE)
            said.append(f"{throttled} who would reclaim are throttled until kswapd has made half of min free")
        return f"{marks}; {', and '.join(said)}"

    def _disk(self) -> NodeId:
        disk = self._machine.local
        sentence = f"the machine's own disk, which has {disk.reading} pages to read and {disk.writing} to write"
        return self._add(self._id(NodeKind.DISK), sentence, reading=disk.reading, writing=disk.writing)

    def _dirty_limit(self) -> NodeId:
        writeback = self._machine.writeback
        dirty, limit = self._machine.reclaim.scan.cache.dirty(), writeback.limits()[1]
        sentence = f"{dirty} pages are dirty and {writeback.under_way()} under writeback, of at most {limit}"
        return self._add(
            self._id(NodeKind.DIRTY_LIMIT),
            sentence,
            self._page_outs(),
            self._disk(),
            dirty=dirty,
            under_way=writeback.under_way(),
            limit=limit,
        )

    def _page_outs(self) -> NodeId:
        device = self._machine.device
        if device is None:
            return self._add(self._id(NodeKind.PAGE_OUTS), "nothing can be written: there is no swap")
        if len(device.links) == 1:
            return self._requests(device)
        connected = isinstance(device, ConnectedDevice)
        whose = [
            f"over connection {at}" if connected else f"to {self._server(one)}" for at, one in enumerate(device.links)
        ]
        targets = [self._requests(link, which) for link, which in zip(device.links, whose, strict=True)]
        where = f"over {len(targets)} connections" if connected else f"to {len(targets)} servers"
        sentence = f"{device.writeback} pages are being written {where}"
        return self._add(self._id(NodeKind.PAGE_OUTS), sentence, *targets, page_outs=device.writeback)

    def _requests(self, link: SwapDevice, which: str = "") -> NodeId:
        """The requests under way to one server."""
        node = self._id(NodeKind.PAGE_OUTS, which)
        server, under_way = self._server(link), len(link.under_way)
        if link.has_failed:
            return self._add(node, "nothing can be written: the swap device is lost")
        if isinstance(link, DiskDevice):
            return self._add(node, f"{under_way} requests are at the machine's own disk", under_way=under_way)
        if not link.is_open:
            sentence = f"{under_way} requests wait for a connection to {server}"
            return self._add(node, sentence, self._reply(link), *self._daemon("nbd-client"), under_way=under_way)
        if not link.under_way:
            said = "kswapd and direct reclaim look for a page that may leave"
            return self._add(node, said, *self._room(link))
        writes = sum(request.write for request in link.under_way.values())
        kswapd = self._machine.reclaim.kswapd.waits_for()
        kswapd = f"; kswapd waits for {kswapd}" if kswapd else ""
        sentence = (
            f"{writes} page-outs and {under_way - writes} page-ins of at most {link.in_flight} wait"
            f" for a reply from {server}{kswapd}"
        )
        targets = [self._reply(link), *self._sender(link), *self._room(link)]
        return self._add(node, sentence, *targets, page_outs=writes, under_way=under_way)

    def _room(self, link: SwapDevice) -> list[NodeId]:
        """The page-outs that a server has no room for."""
        if not link.put_off:
            return []
        sentence = f"{len(link.put_off)} page-outs wait for room at {self._server(link)}"
        return [self._add(self._of(link, NodeKind.ROOM), sentence, put_off=len(link.put_off))]

    def _server(self, link: SwapDevice) -> str:
        return self._names[link.server]

    def _of(self, link: SwapDevice, kind: NodeKind) -> NodeId:
        """A node of one server, with its name where there are others."""
        device = self._machine.device
        return self._id(kind, "" if device is None or len(device.links) == 1 else f"of {self._server(link)}")

    def _sender(self, link: SwapDevice) -> list[NodeId]:
        """The task that holds the lock of the connection to a server, and keeps all others from sending."""
        if not isinstance(link, NbdDevice) or link.connection is None or not link.outbox:
            return []
        queued, size = link.send_buffer()
        what, target = "memory for its copy", self._free_page()
        if not link.connection.has_room():
            what, target = f"room in the send buffer of the connection to {self._server(link)}", self._reply(link)
        return [
            self._add(
                self._of(link, NodeKind.SENDER),
                f"{len(link.outbox)} requests are not sent: the first waits for {what}, the others for the first"
                f" ({queued} of {size} bytes)",
                target,
                waiting=len(link.outbox),
                queued=queued,
            )
        ]

    def _page_in(self, space: AddressSpace, page: int) -> NodeId:
        """The wait for a page that is on its way."""
        device = self._machine.device
        if isinstance(space, File) and space.disk is None:
            return self._disk()
        assert device is not None, "only a machine that swaps has pages elsewhere"
        number = space.base + page
        if isinstance(device, SpreadDevice):
            return self._spread_page(device, number)
        for link in device.links:
            for request in link.under_way.values():
                if request.has(number):
                    return self._request(link, request, f"{number}")
        return self._add(
            self._id(NodeKind.PAGE, f"{number}"),
            f"its page-in waits for a request slot ({len(device.backlog)} before it at most)",
            self._page_outs(),
            backlog=len(device.backlog),
        )

    def _spread_page(self, device: SpreadDevice, number: int) -> NodeId:
        """The wait for a page of which several servers may have been asked for a part."""
        targets = [
            self._request(link, request, f"{number} of {self._server(link)}")
            for link in device.links
            for request in link.under_way.values()
            if request.has(number)
        ]
        if device.reads_from_disk(number):
            targets.append(self._disk())
        sentence = f"its page, of which {device.spread.needed} of {device.spread.parts} parts are needed"
        node = self._id(NodeKind.PAGE, f"{number}")
        return self._add(node, sentence, *(targets or [self._page_outs()]), asked=len(targets))

    def _request(self, link: SwapDevice, request: PageRequest, page: str) -> NodeId:
        node = self._id(NodeKind.PAGE, page)
        said = "page-out" if request.write else "page-in"
        if isinstance(link, NbdDevice) and any(request is one for one, _ in link.outbox):
            return self._add(node, f"its {said} waits to be sent", *self._sender(link))
        on_disk = isinstance(link, DiskDevice)
        whom = "the machine's own disk" if on_disk else f"a reply from {self._server(link)}"
        return self._add(
            node,
            f"its {said} waits for {whom}, asked {_times(request.attempts)}",
            self._disk() if on_disk else self._reply(link),
            attempts=request.attempts,
            last_ns=request.last_ns,
        )

    def _reply(self, link: SwapDevice) -> NodeId:
        node = self._of(link, NodeKind.REPLY)
        if node not in self._drafts and self._is_own(link):
            self._add(
                node, f"a reply from the swap-server of {self._server(link)} itself", *self._daemon("swap-server")
            )
        elif node not in self._drafts:
            server = self._server(link)
            self._add(node, f"a reply from {server}")
            waits_for = self._drafts[node].waits_for
            waits_for += [*self._address(link), *self._receive_buffer(), *self._proxy(link)]
            if isinstance(link, NbdDevice):
                waits_for += [*self._tcp_memory(), NodeId(server, NodeKind.ANSWER)]
        return node

    def _is_own(self, link: SwapDevice) -> bool:
        """Whether the server is a process of this machine."""
        return link.server == self._machine.settings.index

    def _daemon(self, kind: str) -> list[NodeId]:
        """The daemons of this kind that are held up."""
        tasks = [one.task for one in self._machine.programs if one.kind == kind]
        held_up = [one for one in tasks if one.request is not None and not one.request.idle]
        return [self._id(NodeKind.TASK, one.name) for one in held_up]

    def _proxy(self, link: SwapDevice) -> list[NodeId]:
        """The proxy that requests and replies go through, if it is held up; and its socket, which is not marked."""
        machine = self._machine
        if not isinstance(link, ProxiedNbdDevice):
            return []
        relays = [one.task for one in machine.programs if one.kind == "proxy"]
        found = self._daemon("proxy")
        zone = machine.zone
        if machine.settings.policy.drop_at_demux and not zone.has(zone.floors.atomic):
            sentence = (
                f"a receive buffer that is not from the reserve, for the socket of {relays[0].name} is not marked: "
                f"free {zone.free}, atomic floor {zone.floors.atomic}"
            )
            found.append(self._add(self._id(NodeKind.ORDINARY_BUFFER), sentence, *self._queues(), free=zone.free))
        return found

    def _tcp_memory(self) -> list[NodeId]:
        """The limit of TCP's memory, if it would refuse a reply that came now."""
        memory = self._machine.tcp.memory
        if memory.total < memory.limits.high or memory.exempts_marked or memory.rules.forced_on_empty:
            return []
        sentence = (
            f"room below tcp_mem: {memory.total} pages are charged to {memory.sockets} connections, and the limit is "
            f"{memory.limits.high}"
        )
        return [
            self._add(
                self._id(NodeKind.TCP_MEM), sentence, *self._queues(), charged=memory.total, limit=memory.limits.high
            )
        ]

    def _address(self, link: SwapDevice) -> list[NodeId]:
        """The link address of a server, if it is not known."""
        machine = self._machine
        if machine.neighbours is None:
            return []
        entry = machine.neighbours.entries.get(link.server)
        if entry is not None and entry.state not in (INCOMPLETE, FAILED):
            return []
        asked = f"asked {_times(entry.probes)}" if entry is not None else "no entry for it"
        return [self._add(self._of(link, NodeKind.ADDRESS), f"the link address of {self._server(link)}: {asked}")]

    def _receive_buffer(self) -> list[NodeId]:
        """A receive buffer, if there is none for a reply that came now."""
        machine = self._machine
        if machine.nic.receives():
            return []
        if isinstance(machine.nic, VirtioNic) and machine.nic.working:
            sentence = "a receive buffer: the card is not served until its refill worker has found a page"
            return [self._add(self._id(NodeKind.RECEIVE_BUFFER), sentence, self._page_outs())]
        zone, receive = machine.zone, machine.buffers.receive
        if isinstance(zone, BuddyZone) and isinstance(receive, LargeCache) and zone.free > zone.floors.atomic:
            return [self._block(zone, receive.order)]
        if zone.has(zone.floors.atomic) and machine.nic.watching:
            due = machine.nic.watchdog_due_ns / 1e9
            sentence = f"a receive buffer: the ring is empty until the card's watchdog refills it, at {due:.3f} s"
            return [self._add(self._id(NodeKind.RECEIVE_BUFFER), sentence, *self._queues(), free=zone.free)]
        sentence = (
            f"a receive buffer: the ring is empty, and no buffer can be had at {zone.free} free pages "
            f"(atomic floor {zone.floors.atomic})"
        )
        return [
            self._add(
                self._id(NodeKind.RECEIVE_BUFFER), sentence, *self._queues(), free=zone.free, atomic=zone.floors.atomic
            )
        ]

    def _block(self, zone: BuddyZone, order: int) -> NodeId:
        """A receive buffer for which there are pages, but no block that is large enough."""
        blocks = zone.free_blocks()
        sentence = (
            f"a receive buffer: the ring is empty, and no block of order {order} can be had although {zone.free} pages are "
            f"free (blocks of order 0 to {order}: {', '.join(map(str, blocks[: order + 1]))})"
        )
        orders = {f"order {lower}": blocks[lower] for lower in range(len(blocks))}
        return self._add(
            self._id(NodeKind.RECEIVE_BUFFER),
            sentence,
            *self._queues(),
            free=zone.free,
            atomic=zone.floors.atomic,
            **orders,
        )

    def _queues(self) -> list[NodeId]:
        """The queues whose pages would come back if their owners read them."""
        machine = self._machine
        found: list[NodeId] = []
        for one in machine.programs:
            system, task = one.system, one.task
            unread = machine.tcp.unread(system.streams)
            frames = system.queues.buffers + unread[1]
            if not frames:
                continue
            pages = machine.kernel.frame_pages(frames)
            queues = len(system.queues.sockets) + unread[0]
            sentence = f"{pages} pages are held by {frames} frames in {queues} receive queues of {task.name}"
            blocked = task.request is not None and not task.request.idle
            found.append(
                self._add(
                    self._id(NodeKind.QUEUES, f"of {task.name}"),
                    sentence,
                    *([self._id(NodeKind.TASK, task.name)] if blocked else []),
                    pages=pages,
                    frames=frames,
                )
            )
        frames = machine.stack.reassembly.frames
        if frames:
            found.append(
                self._add(
                    self._id(NodeKind.REASSEMBLY),
                    f"{frames} fragments wait for the rest of their datagrams",
                    frames=frames,
                )
            )
        return found


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
