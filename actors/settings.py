"""What one machine is built from: plain values, everything in pages, bytes and ns."""

from dataclasses import dataclass, field
from typing import Any

from netswap.actors.policy import Policy
from netswap.protocol.errors import HintedError


class SettingsError(HintedError):
    """A machine that cannot be: its parts do not fit together. `program` is the index of the one at fault, if one is."""

    def __init__(self, message: str, hint: str, program: int | None = None) -> None:
        super().__init__(message, hint)
        self.args = (message, hint, program)
        self.program = program


@dataclass(frozen=True, slots=True)
class Spread:
    """How pages are spread over several servers, or one and a disk."""

    servers: tuple[int, ...]
    """The machines' indexes."""
    parts: int
    """Parts of each page; each part is on another server."""
    needed: int
    """Parts that make a page: one of `needed` of them is that share of its bytes."""
    acks: int
    """Parts that have to be answered before the page is free."""
    ask: int
    """Parts that are asked for when it is read."""
    backup: bool
    """Whether each page goes to the machine's own disk too."""
    failover_ns: int
    """For how long a server may be silent before others are asked."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer between the VM and the device, such as dm-crypt, that takes a buffer for each request."""

    buffer_pages: int
    requests: int
    """Buffers that it has set aside (its mempool)."""


@dataclass(frozen=True, slots=True)
class Swap:
    """Where a machine's pages go. `server` is a machine's index, `size` in bytes, `readahead` in pages."""

    server: int
    transport: str
    size: int
    in_flight: int
    readahead: int
    timeout_ns: int
    request_pages: int
    """Most pages in one request."""
    spread: Spread | None = None
    """None for one server without a disk."""
    proxied: bool = False
    """Whether a program of this machine, its proxy, stands between the kernel and the server."""
    on: str = "server"
    """The place of the pages: "server", or "disk", the machine's own; then `server` is the machine itself."""
    retries: int | None = None
    """Over NFS: how often a request is sent again before it fails; None: until it is answered (a hard mount)."""
    nbd_timeout_ns: int | None = None
    """The age at which a request ends its connection; None: it waits for TCP."""
    persist: bool = True
    """Whether a connection that is gone is opened anew; without, all requests fail from then on."""
    connections: int = 1
    sender: str = "auto"
    """Over NBD: "thread", a thread of the device's sends, with rights of its own; "auto": as the kernel has it."""
    hides_errors: bool = False
    """Whether a page-out that failed is reported as done."""
    layer: Layer | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """Pages of files that are in memory at time 0 and that no program uses, in bytes; and the disk they are on."""

    clean: int = 0
    text: int = 0
    """Mapped, and clean."""
    dirty: int = 0
    disk_latency_ns: int = 5_000_000
    disk_bandwidth: int = 50_000_000
    """Bytes per second."""


@dataclass(frozen=True, slots=True)
class ZoneSettings:
    """One of several zones of a machine's memory."""

    name: str
    pages: int
    at_boot: int
    """Pages of it that were managed when the marks were set."""


@dataclass(frozen=True, slots=True)
class Vm:
    """Sysctls of a machine's memory, by their own names and in their own units; None for the kernel's own value."""

    watermark_boost_factor: int | None = None
    watermark_scale_factor: int | None = None
    swappiness: int | None = None
    dirty_ratio: int | None = None
    dirty_background_ratio: int | None = None
    dirty_expire_centisecs: int | None = None
    dirty_writeback_centisecs: int | None = None


@dataclass(frozen=True, slots=True)
class MachineSettings:
    """One machine of a scenario, everything in pages, bytes and ns."""

    name: str
    index: int
    memory: int
    kernel: str
    policy: Policy
    reserve_pages: int | None
    reserve_buffers: int | None
    min_free: int | None
    cpus: int
    nic_rate_bps: int
    nic_ring: int
    nic_refill: str
    swap: Swap | None
    programs: tuple[tuple[str, dict[str, Any]], ...]
    seed: int
    stall_after_ns: int
    framing: int
    mtu: int
    arp: bool = False
    """Whether link addresses have to be asked for."""
    files: Files = field(default_factory=Files)
    nic_softirq_ns: int = 0
    """What the CPU takes for each frame between card and demux; 0: no time, and there is no input queue."""
    tcp_mem: tuple[int, int, int] | None = None
    """`tcp_mem` in pages; None for the kernel's own."""
    udp_mem: tuple[int, int, int] | None = None
    """`udp_mem` in pages; None for the kernel's own. Where the kernel has no such limit it has no effect."""
    zones: tuple[ZoneSettings, ...] = ()
    """The zones of its memory, lowest first; none for one."""
    vm: Vm = field(default_factory=Vm)
    tcp_rmem: tuple[int, int, int] | None = None
    """`tcp_rmem` in bytes of truesize: guaranteed, default, most; None for the kernel's own."""
    tcp_wmem: tuple[int, int, int] | None = None
    """`tcp_wmem`, the same of what is sent."""
    ipfrag_high: int | None = None
    """`ipfrag_high_thresh` in bytes of truesize; None for the kernel's own."""
    ipfrag_low: int | None = None
    """`ipfrag_low_thresh`, the same."""
    ipfrag_time_ns: int | None = None
    """`ipfrag_time`; None for the kernel's own."""
    thp: bool = False
    """Whether transparent huge pages are on; they raise the min watermark, and are no larger than others here."""
    nic_page_frags: bool = True
    """Whether the receive buffers of a driver that asks netdev_alloc_skb for them are cut from blocks of pages (6.x)."""
    nic_high_order_alloc: bool = True
    """Whether page fragments are cut from blocks of several pages (net.core.high_order_alloc_disable is 0)."""
