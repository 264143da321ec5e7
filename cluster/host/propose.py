"""What a host's files are worth to a scenario: memory, card, limits, sockets, each value with the file that it comes from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from netswap.actors.kernels import KERNELS, Kernel
from netswap.actors.machine.sysctls import without_effect
from netswap.actors.net.drivers import mtu_max
from netswap.cluster.host import nearest
from netswap.cluster.host.cards import Card
from netswap.cluster.host.draft import Draft, rate_text, size_text
from netswap.cluster.host.host import Host
from netswap.cluster.host.swapping import Swapping
from netswap.cluster.host.zones import RealZone, words
from netswap.cluster.scenario import models
from netswap.protocol.rpc import PAGE
from netswap.protocol.units import milliseconds, seconds

STEPS: Final = 20
"""Steps of a program, in the two seconds of an outage in which it takes what is free above min."""
USUAL_MBIT: Final = 1000
USUAL_SWAPPINESS: Final = 60
ZONES_DIFFER: Final = 16
"""Zones that hold more or less than MemTotal by a sixteenth of it are not those of this memory (a container, a balloon)."""
RING_MAX: Final = 65_536
"""Descriptors of the largest ring that a scenario takes."""


def accepts(model: type[BaseModel], key: str, value: Any) -> bool:
    """Whether scenarios have this key there, and take this value for it: words that come later are used when they are there."""
    if not any(models.key_of(model, name) == key for name in model.model_fields):
        return False
    try:
        model.model_validate({key: value})
    except ValidationError as error:
        return all(one["type"] == "missing" for one in error.errors())
    return True


@dataclass(frozen=True)
class Numbers:
    """Numbers of the machine A, bytes; what several parts of the scenario depend on."""

    memory: int
    min_free: int
    text: int
    dirty: int
    clean: int
    working_set: int
    touch: int
    """Bytes in each step of 100 ms: with these an outage brings free memory down from the high mark to min in about 2 s."""


def numbers(host: Host, swapping: Swapping) -> Numbers:
    """How the machine's memory is used, as its files tell it, within what a scenario of this size can hold."""
    info = host.meminfo
    whole = info["MemTotal"] - info.huge
    memory = min(whole, host.limit.size) if host.limit is not None else whole
    memory = max(memory // PAGE * PAGE, 1 << 20)
    floor = _min_free(host, memory)
    pressed = swapping.is_asked_about
    limited = memory < whole // PAGE * PAGE
    lru = info["Active(file)"] + info["Inactive(file)"] or max(0, info["Cached"] + info["Buffers"] - info["Shmem"])
    lru = 0 if limited else lru
    text = _pages(min(info["Mapped"], lru, memory // 4))
    dirty = _pages(min(info["Dirty"], lru - text, memory // 20))
    clean = 0 if pressed else _pages(min(max(0, lru - text - dirty), memory // 2))
    room = max(memory - 3 * floor - text - dirty - clean, memory // 4)
    anonymous = 0 if limited else info["AnonPages"] + info["Shmem"]
    if pressed and swapping.size:
        wanted = max(anonymous + (0 if limited else swapping.used), room + min(swapping.size // 2, memory // 4))
        # Where the swap is small, what the kernel itself needs is more than it.
        fits = room if swapping.size >= memory // 8 else room * 15 // 16
        working_set = min(wanted, fits + swapping.size * 9 // 10)
    else:
        # What is on a disk of its own has room there.
        out = swapping.used if swapping.on_disk and not limited else 0
        working_set = min(max(anonymous, memory // 16), room * 3 // 4) + min(out, swapping.size * 9 // 10)
    working_set = max(_pages(working_set), 1 << 20)
    missed = max(working_set - room, working_set // 16) / working_set
    distance = max(floor // 2, memory // 500)
    touch = min(max(_pages(int(distance / STEPS / missed)), 256 << 10), working_set)
    return Numbers(memory, floor, text, dirty, clean, working_set, touch)


def _pages(size: int) -> int:
    return size // PAGE * PAGE


def _min_free(host: Host, memory: int) -> int:
    """min_free_kbytes in bytes; that of the machine is none of a smaller limit's."""
    setting = host.settings.get("vm/min_free_kbytes")
    if host.limit is not None and host.limit.size < host.meminfo["MemTotal"] - host.meminfo.huge:
        return min(8 << 20, memory // 16)
    if setting is not None:
        return setting.value * 1024
    return host.zones.min * host.page[0] if host.zones is not None else min(8 << 20, memory // 16)


def kernel(host: Host, draft: Draft) -> Kernel:
    """The nearest kernel, and what differs from it."""
    if host.release is None:
        taken = max(KERNELS.values(), key=lambda one: nearest.ordinal(nearest.version_of(one)))
        draft.missing.append("the kernel's version (version, uname -r)")
        draft.assume(0, f"kernel: {taken.name}", "the newest there is")
        draft.assume(0, "safeguards: merged", "what Linux has had since 3.6")
        return taken
    taken = nearest.kernel(host.release.version)
    draft.add(0, f"kernel: {taken.name}", f"nearest to {host.release.text} ({host.release.label})")
    if nearest.ordinal(host.release.version) >= nearest.ordinal(nearest.MERGED):
        draft.add(0, "safeguards: merged", "what Linux has had since 3.6 (SOCK_MEMALLOC)")
    else:
        draft.add(0, "safeguards: none", f"{host.release.text} has nothing for swap over the network")
    draft.differs += nearest.differences(host.release.version, taken)
    if any(mark in host.release.text for mark in (".el", ".fc", "amzn", "suse", "-default")):
        draft.differs.append(f"{host.release.text} is a distribution's kernel, which may have later changes")
    return taken


def memory(host: Host, draft: Draft, found: Numbers, taken: Kernel) -> None:
    """Size, floor, CPUs, files."""
    info, label = host.meminfo, host.meminfo.label
    limited = host.limit is not None and found.memory < info["MemTotal"] - info.huge
    if limited and host.limit is not None:
        draft.add(2, f"memory: {size_text(found.memory)}", f"the limit of its control group ({host.limit.label})")
        draft.differs.append(
            f"the control group's limit is all memory here. On the machine, of {size_text(info['MemTotal'])} ({label}), "
            "reception takes pages beyond that limit as long as others leave some free: the scenario is harder than the machine"
        )
    else:
        less = f", less {size_text(info.huge)} of huge pages" if info.huge else ""
        draft.add(2, f"memory: {size_text(found.memory)}", f"MemTotal of {label}{less}")
    _zones(host, draft, found.memory)
    setting = host.settings.get("vm/min_free_kbytes")
    if limited:
        draft.add(2, "min_free: none", "the kernel's own formula: the machine's value is not that of the control group")
    elif found.min_free >= found.memory and setting is not None:
        what = f"min_free_kbytes is {setting.value}, and the machine has {found.memory >> 10} kB of memory"
        raise host.tree.needed("proc/meminfo").wrong(1, f"{what} ({setting.label})")
    elif setting is not None:
        draft.add(2, f"min_free: {setting.value}KiB", setting.label)
    elif host.zones is not None and found.min_free:
        draft.add(2, f"min_free: {size_text(found.min_free)}", f"min of all zones in {host.zones.label}")
    else:
        draft.assume(2, "min_free: none", "no file tells it: the kernel's own formula")
        if host.huge_pages is not None and host.huge_pages[0] != "never" and taken.has_thp:
            draft.add(2, "thp: on", f"which raises it ({host.huge_pages[1]})")
    if host.cpus is not None:
        draft.add(2, f"cpus: {min(host.cpus[0], 8192)}", host.cpus[1])
    parts = [
        f"{name}: {size_text(size)}"
        for name, size in (("clean", found.clean), ("text", found.text), ("dirty", found.dirty))
        if size
    ]
    if parts:
        why = f"pages of files: Active(file) and Inactive(file), Mapped, Dirty of {label}"
        why += "" if found.clean else "; clean ones are gone where a machine is short of memory"
        draft.add(2, f"files: {{{', '.join(parts)}}}", why)
    _memory_differs(host, draft)


def _zones(host: Host, draft: Draft, memory: int) -> None:
    """The zones, where a scenario can have them: those of one node of x86-64, which hold the memory that meminfo tells.

    Reserved huge pages, and the few pages about which the two files differ, are the highest zone's.
    """
    zones = host.zones
    if zones is None or len(zones.zones) < 2:
        return
    sizes = [one.managed * host.page[0] for one in zones.zones]
    whole = memory + host.meminfo.huge
    *lower, last = (RealZone(one.node, one.name, size) for one, size in zip(zones.zones, sizes, strict=True))
    highest = last._replace(size=memory - sum(sizes[:-1]))
    text = words([*lower, highest])
    if text and host.page[0] == PAGE and abs(sum(sizes) - whole) <= whole // ZONES_DIFFER:
        draft.add(2, f"zones: {text}", f"managed pages of {zones.label}; {highest.name}: what MemTotal leaves")
        return
    told = ", ".join(f"node {one.node} {one.name}" for one in zones.zones)
    draft.differs.append(f"the scenario has one zone, the machine {len(sizes)}: {told} ({zones.label})")


def _memory_differs(host: Host, draft: Draft) -> None:
    info, zones = host.meminfo, host.zones
    if zones is not None and zones.boost:
        draft.differs.append(f"the marks are raised by {zones.boost} pages at the moment (boost in {zones.label})")
    if info["CmaTotal"]:
        size = size_text(info["CmaTotal"])
        draft.differs.append(
            f"{size} are for movable pages only (CmaTotal of {info.label}): no receive buffer can be there"
        )
    if host.page[0] != PAGE:
        draft.differs.append(
            f"a page is {host.page[0] >> 10} KiB here ({host.page[1]}) and 4 KiB in netswap: sizes are the same in bytes, counts "
            "of pages are converted, and a small buffer takes a page that is larger"
        )
    elif not host.page[1]:
        draft.assumed.append("pages of 4 KiB")
    if host.huge_pages is not None and host.huge_pages[0] != "never":
        draft.differs.append(
            f"transparent huge pages are {host.huge_pages[0]} ({host.huge_pages[1]}): that they raise min_free_kbytes is in the "
            "scenario, that they come in blocks of 2 MiB is not"
        )
    if host.blocks_free is not None:
        small = [name for name, counts in host.blocks_free.items() if not any(counts[3:])]
        if small:
            draft.differs.append(
                f"no 8 free pages stand in a row in {', '.join(small)} ({host.label('proc/buddyinfo')})"
            )


def card(host: Host, draft: Draft, taken: Kernel) -> tuple[Card, int]:
    """The lines of `nic`; the card, and its rate in Mbit/s."""
    one = host.cards[0] if host.cards else Card("")
    draft.add(2, "nic:")
    mbit = min(one.rate_mbit[0], 1_000_000) if one.rate_mbit is not None else USUAL_MBIT
    if one.rate_mbit is not None:
        draft.add(3, f"rate: {rate_text(mbit)}", one.rate_mbit[1])
    else:
        draft.missing.append("the card's rate (sys/class/net/CARD/speed, or ethtool CARD)")
        draft.assume(3, f"rate: {rate_text(mbit)}", "no file tells the card's rate")
    if one.ring is not None and one.ring[0] <= RING_MAX:
        draft.add(3, f"ring: {one.ring[0]}", f"receive descriptors in force, {one.ring[1]}")
    else:
        draft.missing.append("the card's ring (ethtool -g)")
        draft.assume(3, "ring: none", "no file tells it: the driver's own number")
    if one.driver is None:
        draft.missing.append("the card's driver (ethtool -i)")
        draft.assume(3, f"refill: {nearest.USUAL_REFILL}", "no file tells the driver")
    else:
        rule, why = nearest.refill(one.driver[0])
        same = f"its driver is {one.driver[0]} ({one.driver[1]})"
        draft.add(3, f"refill: {rule}", f"{same}: {why}" if why else same)
        if why:
            draft.differs.append(f"the card's driver {one.driver[0]} is not in netswap; {rule} is nearest: {why}")
    if len(host.cards) > 1:
        names = ", ".join(other.name for other in host.cards[1:6])
        draft.differs.append(
            f"the machine has {len(host.cards)} cards, the scenario has one: {one.name}, and not {names}"
        )
    return one, mbit


def mtu(one: Card, taken: Kernel, refill: str) -> int:
    """The MTU of the scenario's links: the card's, if all cards of the scenario can take it."""
    size = one.mtu[0] if one.mtu is not None else 1500
    most = min(mtu_max(refill, taken), mtu_max("e1000", taken))
    return size if 576 <= size <= most else 1500


def limits(host: Host, draft: Draft, taken: Kernel) -> None:
    """tcp_mem, udp_mem and the buffers, as far as scenarios have words for them."""
    each = host.page[0] // PAGE
    tcp = _words(
        host,
        "tcp",
        {"mem": ("net/ipv4/tcp_mem", each), "rmem": ("net/ipv4/tcp_rmem", 1), "wmem": ("net/ipv4/tcp_wmem", 1)},
    )
    if tcp:
        draft.add(
            2,
            f"tcp: {{{', '.join(f'{key}: {value}' for key, value, _ in tcp)}}}",
            ", ".join(label for *_, label in tcp),
        )
    setting = host.settings.get("net/ipv4/udp_mem")
    if setting is not None and taken.limits_udp:
        pages = [max(1, count * each) for count in setting.values]
        value: Any = pages if accepts(models.Udp, "mem", pages) else pages[-1]
        if accepts(models.Udp, "mem", value):
            draft.add(2, f"udp: {{mem: {value}}}", setting.label)


def _words(host: Host, part: str, wanted: dict[str, tuple[str, int]]) -> list[tuple[str, list[int], str]]:
    """(key, value, file) of those settings that the scenario's words for this part know, and take."""
    model = {"tcp": models.Tcp}[part]
    found = []
    for key, (name, factor) in wanted.items():
        setting = host.settings.get(name)
        value = [max(1, count * factor) for count in setting.values] if setting is not None else []
        if setting is not None and accepts(model, key, value):
            found.append((key, value, setting.label))
    return found


def sysctls(host: Host, draft: Draft, taken: Kernel) -> None:
    """Sysctls of memory and of reassembly that are not the scenario's kernel's own."""
    usual = {
        "watermark_boost_factor": taken.watermark_boost,
        "watermark_scale_factor": taken.watermark_scale,
        "dirty_ratio": taken.dirty_ratio,
        "dirty_background_ratio": taken.dirty_background_ratio,
        "dirty_expire_centisecs": taken.dirty_expire_ns // milliseconds(10),
        "dirty_writeback_centisecs": taken.flush_interval_ns // milliseconds(10),
        "swappiness": taken.swappiness,
    }
    there = {name: own for name, own in usual.items() if not without_effect(taken, name)}
    told = _told(host, models.Vm, {name: (f"vm/{name}", own, "") for name, own in there.items()})
    told += [(f"{name}: {value}", why) for name, value, why in _switched_off(host, there)]
    _written(draft, "vm", told)
    fragments = {
        "high": ("net/ipv4/ipfrag_high_thresh", taken.fragment_high, "B"),
        "low": ("net/ipv4/ipfrag_low_thresh", taken.fragment_low, "B"),
        "time": ("net/ipv4/ipfrag_time", taken.fragment_timeout_ns // seconds(1), "s"),
    }
    _written(draft, "ipfrag", _told(host, models.Ipfrag, fragments))


def _switched_off(host: Host, there: Mapping[str, int]) -> Iterator[tuple[str, int, str]]:
    """What the scenario's kernel has and the machine's has not, and a sysctl makes it as if it were not."""
    if host.release is None:
        return
    for name, value in nearest.switched_off(host.release.version).items():
        if name in there and f"vm/{name}" not in host.settings:
            version = ".".join(map(str, nearest.SWITCHED_OFF[name][0]))
            yield name, value, f"{host.release.text} has none: it came with {version}"


def _told(host: Host, model: type[BaseModel], wanted: Mapping[str, tuple[str, int, str]]) -> list[tuple[str, str]]:
    """(key: value, file) of those settings that differ; `wanted`: (file, the kernel's own, unit) of each key."""
    told = []
    for key, (name, own, unit) in wanted.items():
        setting = host.settings.get(name)
        # A ratio of zero stands for another way to set it: dirty_bytes.
        if setting is None or setting.value == own or (setting.value == 0 and key.endswith("ratio")):
            continue
        value = f"{setting.value}{unit}" if unit else setting.value
        if accepts(model, key, value):
            told.append((f"{key}: {value}", setting.label))
    return told


def _written(draft: Draft, part: str, told: list[tuple[str, str]]) -> None:
    """A part of the machine, if anything of it is told."""
    if told:
        whole = f"{part}: {{{', '.join(one for one, _ in told)}}}"
        draft.add(2, whole, ", ".join(dict.fromkeys(label for _, label in told)))


def settings_differ(host: Host, draft: Draft, taken: Kernel) -> None:
    """Settings that a scenario has no word for, where they are not what the kernel of the scenario does."""
    ours = {"net/core/netdev_max_backlog": 1000, "vm/dirty_bytes": 0, "vm/dirty_background_bytes": 0}
    if without_effect(taken, "swappiness"):
        ours["vm/swappiness"] = USUAL_SWAPPINESS
    for name, usual in ours.items():
        setting = host.settings.get(name)
        if setting is not None and setting.value != usual:
            draft.differs.append(
                f"{name.replace('/', '.')} is {setting.value} ({setting.label}), in the scenario {usual or 'absent'}"
            )
    if host.zswap:
        draft.differs.append("zswap is on: pages are compressed in memory before they go to the swap device")
