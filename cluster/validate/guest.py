"""The machine of the experiment, in one place: what holds for every cell unless the cell says otherwise.

Source: the description beside the cells (Linux 6.1 of Debian in an emulated machine with one CPU). What it gives is given here;
what it does not give is said to be a choice.
"""

from typing import Final

from netswap.actors.kernels import KERNELS
from netswap.protocol.rpc import PAGE

KERNEL: Final = "linux-6.1"
MIB_PAGES: Final = (1 << 20) // PAGE

NOT_MANAGED_MIB: Final = 48
"""The page allocator manages 80 of 128 MiB; what the kernel image and its tables take is the same at other sizes: a choice."""
DMA_MIB: Final = 15
"""The lower zone; all others are in DMA32."""
FREED_LATE: Final = 80 * MIB_PAGES - 18_024
"""Pages of DMA32 that were not managed yet when the marks were set. The guest's own are those of 18,024 pages: min_free_kbytes is
1074, the first integer root that 16 times so many KiB reach, its min marks are 57 and 210 pages, and lowmem_reserve is 55."""
HELD_MIB: Final = 30
"""About 50 of these 80 MiB are free after boot: the rest, with the ramfs that all program text is in, never leaves memory."""
NOT_BUFFERS: Final = 80 * MIB_PAGES - 8 * 2204
"""Pages that udp_mem and tcp_mem are not reckoned from at boot: 2204 of the guest's udp_mem is an eighth of the others."""
LATENCY: Final = "500us"
"""One way, of a line that nothing waits for: a choice. The 10-20 ms that the round trip takes under load come from the rates."""
PAGES_IN_PER_S: Final = 3900
PAGES_OUT_PER_S: Final = 3500
"""What the emulated machine swaps at most: here the bandwidth of the two links between it and C."""
SWAP_REQUESTS: Final = 128
SWAP_SIZE: Final = "512MiB"
"""A choice: more than any cell needs."""
BURST: Final = "10ms"
"""What B sends at once: a choice. A sender that a timer wakes sends what has become due meanwhile; from one that sent each
of 6000 frames a second when it is due they would lie one by one between those of page-ins."""
SOCKETS: Final = 64
RECEIVE_BUFFER: Final = 8 << 20
"""Bytes of each socket's receive buffer, so that its limit never binds."""
PAYLOAD: Final = {"udp": 1472, "tcp": 1448, "frag": 1472}
HEARTBEAT: Final = {"every": "50ms", "pages": 4 * MIB_PAGES, "touch": 16, "maps": "64KiB", "unkillable": True}
HOG_PAGES: Final = 32
"""Pages that the hog dirties between two rests."""
WARM_S: Final = 5
"""Before the flood, or the fault: a choice. The machine begins as after a long run."""
WATCHED_S: Final = 60
"""After the heal, the flood going on."""
THEN_S: Final = 60
"""After that, without the flood: a choice, long enough for the next time-out of a connection that is stuck to be known."""


def managed_pages(ram_mib: int) -> int:
    """Pages that the page allocator of a guest has."""
    return (ram_mib - NOT_MANAGED_MIB) * MIB_PAGES


def zones(ram_mib: int) -> dict[str, object]:
    """The guest's two zones."""
    dma32 = managed_pages(ram_mib) - DMA_MIB * MIB_PAGES
    at_boot = (dma32 - FREED_LATE) * PAGE >> 10
    return {"DMA": f"{DMA_MIB}MiB", "DMA32": {"size": f"{dma32 * PAGE >> 10}KiB", "at_boot": f"{at_boot}KiB"}}


def min_free_kib(ram_mib: int) -> int:
    """The guest's min_free_kbytes, if no user has set it (mm/page_alloc.c)."""
    return KERNELS[KERNEL].min_free_kib(managed_pages(ram_mib) - FREED_LATE)


def udp_mem(ram_mib: int) -> list[int]:
    """The guest's udp_mem: an eighth of the buffer pages, three quarters of that, and twice these (net/ipv4/udp.c)."""
    return _limits((managed_pages(ram_mib) - NOT_BUFFERS) // 8)


def tcp_mem(ram_mib: int) -> list[int]:
    """The guest's tcp_mem: a sixteenth, and so on (net/ipv4/tcp.c)."""
    return _limits((managed_pages(ram_mib) - NOT_BUFFERS) // 16)


def _limits(pressure: int) -> list[int]:
    low = max(pressure, 128) // 4 * 3
    return [low, max(pressure, 128), 2 * low]
