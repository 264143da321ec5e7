"""Zijlstra's reserve: a tree of what the path to the swap server may need, and its arithmetic.

Sizes propagate to the root, whose pages are the emergency pool of the zone. Charges do not propagate: usage is charged
at one chosen node. Source: his series of 2007 and 2008 (mm/reserve.c, net/core/sock.c, net/ipv4/ip_fragment.c).
"""

from dataclasses import dataclass, field

from actors.kernels import Kernel
from protocol.rpc import PAGE

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


def receive_buffer_charge(kernel: Kernel) -> int:
    """What one receive buffer is charged: its data and its head, each rounded up, in bytes."""
    return charge_of(kernel.rx_data) + charge_of(kernel.skb_head)


def receive_buffers(kernel: Kernel, *, cover_fragments: bool, parked: int, reply_frames: int) -> int:
    """How many emergency receive buffers must be allowed so that reception never stops.

    Those that incomplete datagrams may hold (the limit is tested before a fragment is added, so one more fits), those
    that a ring which never drains keeps for ever, and the frames of the largest reply.
    """
    held = kernel.fragment_high // kernel.rx_truesize + 2 if cover_fragments else 0
    return held + parked + reply_frames


def machine_tree(kernel: Kernel, cpus: int, *, cover_fragments: bool, parked: int, reply_frames: int) -> Node:
    """The tree of a machine that swaps over NFS on IPv4: the nodes it really has.

    `parked`: receive buffers that stay in the ring for ever (0 unless the ring never drains).
    """
    buffers = receive_buffers(kernel, cover_fragments=cover_fragments, parked=parked, reply_frames=reply_frames)
    data = Node("SKB data", limit=buffers * receive_buffer_charge(kernel) + 1)
    if cover_fragments:
        data.children.append(Node("IPv4 fragment cache", kmalloc_pages(kernel.fragment_high, kernel, cpus)))
    data.children.append(Node("receive ring", _buffer_pages(parked + reply_frames, kernel)))
    routes = Node("IPv4 route cache", object_pages(kernel.route_entries, PAGE // kernel.route_entry, cpus))
    slots = object_pages(kernel.rpc_slots_max, PAGE // kernel.rpc_request, cpus)
    transmit = Node("network TX", children=[Node("transport", transmit_pages()), Node("RPC slots", slots)])
    return Node("total", children=[transmit, Node("network RX", children=[routes, data])])


def _buffer_pages(buffers: int, kernel: Kernel) -> int:
    """Pages that so many receive buffers fill."""
    return -(-buffers * (kernel.rx_data + kernel.skb_head) // PAGE)


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
