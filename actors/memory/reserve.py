"""Zijlstra's reserve: a tree of what the path to the swap server may need, and its arithmetic.

Sizes propagate to the root, whose pages are the emergency pool of the zone. Charges do not propagate: usage is charged
at one chosen node. Source: his series of 2007 and 2008 (mm/reserve.c, net/core/sock.c, net/ipv4/ip_fragment.c).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from netswap.actors.kernels.kernel import Kernel
from netswap.actors.memory.sizes import pages_of
from netswap.protocol.rpc import PAGE

LARGEST_PACKET = 65_536


def kmalloc_pages(size: int, kernel: Kernel, cpus: int = 1) -> int:
    """Pages for `size` bytes of kmalloc space: twice the bytes (the slack of powers of two) and one slab a cache."""
    return -(-2 * size // PAGE) + sum(cpus << order for order in kernel.kmalloc_orders)


def object_pages(objects: int, per_slab: int, cpus: int = 1, order: int = 0) -> int:
    """Pages for `objects` objects of one cache; each CPU may keep a slab of its own if a slab holds more than one."""
    return (-(-objects // per_slab) + (cpus if per_slab > 1 else 0)) << order


def transmit_pages() -> int:
    """TX of one transport: the largest packet, a bounce copy of it, and nothing to spare."""
    return -(-2 * LARGEST_PACKET // PAGE)


def charge_of(size: int) -> int:
    """What an object of `size` bytes is charged: the next power of two."""
    return 1 << (size - 1).bit_length()


@dataclass(slots=True)
class Node:
    """One part of the reserve: its own pages and those below it, in pages; limit and usage in bytes."""

    name: str
    own_pages: int = 0
    limit: int = 0
    children: "list[Node]" = field(default_factory=list)
    usage: int = 0
    usage_max: int = 0

    @property
    def pages(self) -> int:
        """Pages of this node with all below it."""
        return self.own_pages + sum(child.pages for child in self.children)

    def charge(self, size: int) -> bool:
        """Charge `size` bytes (already rounded by `charge_of`); False and nothing charged at the limit."""
        usage = self.usage + size
        if usage >= self.limit:
            return False
        self.usage = usage
        if usage > self.usage_max:
            self.usage_max = usage
        return True

    def uncharge(self, size: int) -> None:
        """Give `size` bytes back; usage never falls below 0."""
        self.usage = max(0, self.usage - size)


def receive_charge(kernel: Kernel) -> int:
    """What one receive buffer is charged: its data and its head, each rounded up, in bytes."""
    return charge_of(kernel.rx_data) + charge_of(kernel.skb_head)


def held_fragments(kernel: Kernel, truesize: int) -> int:
    """Fragments of this truesize that incomplete datagrams hold before any is evicted.

    The limit is tested before a fragment is added, so one more fits, and one is in hand.
    """
    return kernel.fragment_high // truesize + 2


def receive_limit(kernel: Kernel, *, cover_fragments: bool, parked: int, reply_frames: int) -> int:
    """Bytes that emergency receive buffers may be charged so that reception never stops.

    They are those that incomplete datagrams may hold (of full frames, or of short ones, which take more for their
    truesize), those that a ring which never drains keeps for ever, and the frames of the largest reply.
    """
    held = 0
    if cover_fragments:
        short = charge_of(kernel.copy_data) + charge_of(kernel.skb_head)
        held = max(
            held_fragments(kernel, kernel.rx_truesize) * receive_charge(kernel),
            held_fragments(kernel, kernel.copy_truesize) * short,
        )
    return held + (parked + reply_frames) * receive_charge(kernel)


def machine_tree(
    kernel: Kernel,
    cpus: int,
    *,
    cover_fragments: bool,
    parked: int,
    reply_frames: int,
    transports: Sequence[int],
    arp: int = 0,
) -> Node:
    """The tree of a machine that swaps on IPv4: the nodes it really has. RX is there once, TX for each transport.

    `parked`: receive buffers that stay in the ring for ever (0 unless the ring never drains); `reply_frames`: those that
    may be out before replies are processed; `transports`: the RPC slots of each, 0 for one that has none; `arp`: of how many
    servers the link address has to be asked for, which takes an entry, and the head and the data of a request or a reply.
    """
    limit = receive_limit(kernel, cover_fragments=cover_fragments, parked=parked, reply_frames=reply_frames)
    data = Node("SKB data", limit=limit + 1)
    if cover_fragments:
        cache = kmalloc_pages(kernel.fragment_high, kernel, cpus)
        short = _pages(held_fragments(kernel, kernel.copy_truesize), kernel.copy_data, kernel)
        data.children.append(Node("IPv4 fragment cache", cache))
        data.children.append(Node("short fragments", max(0, short - cache)))
    data.children.append(Node("receive ring", _pages(parked + reply_frames, kernel.rx_data, kernel)))
    routes = Node("IPv4 route cache", object_pages(kernel.route_entries, PAGE // kernel.route_entry, cpus))
    transmit = Node("network TX", children=[node for slots in transports for node in _transport(kernel, cpus, slots)])
    receive = Node("network RX", children=[routes, data, *([Node("ARP", 3 * arp)] if arp else [])])
    return Node("total", children=[transmit, receive])


def _transport(kernel: Kernel, cpus: int, slots: int) -> list[Node]:
    """What one transport sends, and the requests that it keeps."""
    nodes = [Node("transport", transmit_pages())]
    if slots:
        nodes.append(Node("RPC slots", object_pages(slots, PAGE // kernel.rpc_request, cpus)))
    return nodes


def cover_tree(
    kernel: Kernel, cpus: int, *, cover_fragments: bool, transports: Sequence[int] | None, buffers: int
) -> Node:
    """The pool of a kernel that sets nothing aside by itself: no more than what the policy says must be covered.

    That is what incomplete datagrams may hold, what each of the `transports` sends with its slots (None where that is not
    bounded), and in both cases the `buffers` of ring and reply, which come out of the same pool.
    """
    tree = Node("total")
    if cover_fragments:
        cache = kmalloc_pages(kernel.fragment_high, kernel, cpus)
        short = _pages(held_fragments(kernel, kernel.copy_truesize), kernel.copy_data, kernel)
        tree.children.append(Node("IPv4 fragment cache", max(cache, short)))
    for slots in transports or ():
        tree.children += _transport(kernel, cpus, slots)
    if tree.children:
        pages = _pages(buffers, kernel.rx_data, kernel) + buffers * kernel.rx_pages
        tree.children.append(Node("receive ring", pages))
    return tree


def _pages(buffers: int, data: int, kernel: Kernel) -> int:
    """Pages that `count` buffers with data objects of this size fill, heads apart."""
    return pages_of(buffers, data) + pages_of(buffers, kernel.skb_head)


def find(tree: Node, name: str) -> Node:
    """The node of that name; raises KeyError."""
    for node in walk(tree):
        if node.name == name:
            return node
    raise KeyError(name)


def walk(tree: Node) -> list[Node]:
    """The tree as a list, parents first."""
    nodes = [tree]
    for child in tree.children:
        nodes += walk(child)
    return nodes
