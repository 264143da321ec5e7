"""One host: all that its files say, read and checked."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from netswap.cluster.host import cards, disks, listed, memory, sockets, system
from netswap.cluster.host.cards import Card
from netswap.cluster.host.disks import Block, Mount, SwapArea
from netswap.cluster.host.files import Saved, Tree
from netswap.cluster.host.listed import Listed
from netswap.cluster.host.memory import Meminfo, Zoneinfo
from netswap.cluster.host.sockets import Sockets
from netswap.cluster.host.system import Limit, Release, Setting

Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class Host:
    """None stands for what could not be read; `missing` names those files."""

    tree: Tree
    meminfo: Meminfo
    zones: Zoneinfo | None
    blocks_free: dict[str, list[int]] | None
    release: Release | None
    page: tuple[int, str]
    """Bytes of a page, and how that is known; empty for what is assumed."""
    cpus: tuple[int, str] | None
    settings: dict[str, Setting]
    limit: Limit | None
    huge_pages: tuple[str, str] | None
    zswap: bool
    swaps: list[SwapArea] | None
    mounts: list[Mount] | None
    devices: dict[str, Block]
    cards: list[Card]
    udp: Sockets | None
    tcp: Sockets | None
    listed: Listed
    """What `ss` or `netstat` say, beyond the tables of /proc/net."""
    sockstat: dict[str, int] | None
    boot: tuple[str, ...]
    """Words of the command line of the kernel."""
    missing: tuple[str, ...]

    def label(self, path: str) -> str:
        """How people find a file that has been read."""
        return self.tree.label(path)

    def first_label(self, *paths: str) -> str:
        """The label of the first of these paths that is there."""
        return self.label(next((one for one in paths if one in self.tree), paths[0]))


_WANTED = (
    *("meminfo", "zoneinfo", "buddyinfo", "swaps", "mounts", "net/sockstat", "net/udp", "net/tcp"),
    *("sys/vm/min_free_kbytes", "sys/vm/page-cluster", "sys/net/core/rmem_default"),
    *("sys/net/ipv4/tcp_mem", "sys/net/ipv4/tcp_rmem", "sys/net/ipv4/udp_mem"),
)


def host(tree: Tree) -> Host:
    """Read all that is there. Raises ScenarioError for what is missing and needed, or malformed, with file and line."""
    meminfo = memory.meminfo(tree.needed("proc/meminfo"))
    zones = _maybe(tree, "proc/zoneinfo", memory.zoneinfo)
    settings = system.settings(tree)
    shown = listed.listed(tree)
    zswap = tree.get("sys/module/zswap/parameters/enabled")
    boot = tree.get("proc/cmdline")
    found = Host(
        tree=tree,
        meminfo=meminfo,
        zones=zones,
        blocks_free=_maybe(tree, "proc/buddyinfo", memory.buddyinfo),
        release=system.release(tree),
        page=system.page_size(tree, meminfo, zones),
        cpus=system.cpus(tree, zones),
        settings=settings,
        limit=system.limit(tree),
        huge_pages=system.transparent_huge_pages(tree),
        zswap=zswap is not None and zswap.text.strip() in ("Y", "1"),
        swaps=disks.swaps_of(tree),
        mounts=disks.mounts_of(tree),
        devices=disks.blocks(tree),
        cards=cards.cards(tree),
        udp=_sockets(tree, "udp", shown),
        tcp=_sockets(tree, "tcp", shown),
        listed=shown,
        sockstat=_maybe(tree, "proc/net/sockstat", sockets.sockstat),
        boot=tuple(boot.text.split()) if boot is not None else (),
        missing=(),
    )
    return replace(found, missing=tuple(_missing(found)))


def _missing(found: Host) -> Iterator[str]:
    """What is wanted and not there, and what is there and could not be read."""
    instead = {
        "swaps": found.swaps,
        "mounts": found.mounts,
        "version": found.release,
        "net/udp": found.udp,
        "net/tcp": found.tcp,
    }
    tree = found.tree
    for name in _WANTED:
        path = f"proc/{name}"
        if (
            path in tree
            or path in tree.unread
            or name.removeprefix("sys/") in found.settings
            or instead.get(name) is not None
        ):
            continue
        yield name
    for path, why in sorted(tree.unread.items()):
        # A card without a link has no speed, and says so by an error.
        if not path.endswith("/speed"):
            yield f"{path.removeprefix('proc/')}: {why}"


def _maybe(tree: Tree, path: str, parse: Callable[[Saved], Parsed]) -> Parsed | None:
    saved = tree.get(path)
    return None if saved is None else parse(saved)


def _sockets(tree: Tree, protocol: str, shown: Listed) -> Sockets | None:
    """From the tables of /proc/net; without them from what a command has listed."""
    found = Sockets()
    for name in (protocol, f"{protocol}6"):
        saved = tree.get(f"proc/net/{name}")
        if saved is not None:
            sockets.add(found, saved)
    found = found if found.labels else shown.sockets[protocol]
    return found if found.labels else None
