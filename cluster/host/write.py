"""The scenario of a host, commented: each value with the file that it comes from."""

from typing import Final

from netswap.cluster.host import propose
from netswap.cluster.host.draft import Draft, rate_text, size_text
from netswap.cluster.host.host import Host
from netswap.cluster.host.listening import Group, Listening, listening
from netswap.cluster.host.nearest import refill
from netswap.cluster.host.propose import Numbers, accepts
from netswap.cluster.host.swapping import NETWORK_FILES, ON_THE_NETWORK, Swapping, Way
from netswap.cluster.host.system import groups
from netswap.cluster.scenario import Problem, ScenarioError, load, models
from netswap.protocol.nbd import TAGS
from netswap.protocol.rpc import PAGE

FLOOD_MBIT_MAX: Final = 100
"""What B sends in the file: `netswap ask` asks with the card's own rate."""


def scenario(host: Host, swapping: Swapping) -> str:
    """The text of the scenario. Raises ScenarioError for values that contradict each other."""
    draft = Draft(host.tree.place, _question(swapping))
    draft.missing += host.missing
    found = propose.numbers(host, swapping)
    draft.add(0, f"title: {_title(host, swapping, found)}")
    draft.add(0, "stop: 40s")
    taken = propose.kernel(host, draft)
    one = host.cards[0] if host.cards else None
    rule = refill(one.driver[0])[0] if one is not None and one.driver is not None else "e1000e"
    size = propose.mtu(one, taken, rule) if one is not None else 1500
    _network(host, draft, size)
    draft.add(0, "machines:")
    draft.add(1, "A:", "this machine")
    propose.memory(host, draft, found, taken)
    _, mbit = propose.card(host, draft, taken)
    propose.limits(host, draft, taken)
    propose.sysctls(host, draft, taken)
    propose.settings_differ(host, draft, taken)
    _swap(host, draft, swapping)
    listens = listening(host, draft)
    _programs(host, draft, swapping, found, listens)
    _flood(draft, listens, mbit, size)
    _server(draft, swapping)
    _differs(host, draft, swapping)
    return _whole(draft)


def _whole(draft: Draft) -> str:
    """The text, which has no mistakes, or the files' values do not go together."""
    text = draft.text()
    try:
        load(text)
    except ScenarioError as error:
        what = f"what these files say makes no scenario: {error.problems[0].message}"
        hint = "values that no machine has together: copy the files again"
        raise ScenarioError([Problem(draft.place, 1, 1, what, hint)]) from None
    return text


def _title(host: Host, swapping: Swapping, found: Numbers) -> str:
    release = host.release.text if host.release is not None else "a kernel that is not known"
    over = {
        Way.ISCSI: "swap over iSCSI",
        Way.UNKNOWN: "swap over NBD (assumed)",
        Way.DAEMON: "swap over the network through a daemon" if swapping.relayed else "swap to itself",
        Way.LOCAL: "swap on its own disk" if swapping.on_disk else "no swap over the network",
        Way.NONE: "no swap",
    }
    kept = "".join(one for one in release if one.isalnum() or one in ".-_+ ")[:60]
    how = over.get(swapping.way, f"swap over {str(swapping.way).upper()}")
    size = f"{found.memory / (1 << 30):.1f} GiB" if found.memory >= 1 << 30 else f"{found.memory >> 20} MiB"
    return f"a host with {kept}, {size}, {how}"


def _question(swapping: Swapping) -> str:
    if swapping.way in ON_THE_NETWORK or swapping.relayed:
        return "Does A, the machine that these files were taken from, outlive an outage of its swap server?"
    if swapping.way is Way.DAEMON:
        return "A, the machine that these files were taken from, swaps to a process of its own. Does it outlive its traffic?"
    return "A, the machine that these files were taken from, does not swap over the network. What does its traffic do to it?"


def _network(host: Host, draft: Draft, size: int) -> None:
    draft.add(0, "network:")
    draft.assume(1, "latency: 1ms", "no file tells how far away others are")
    one = host.cards[0] if host.cards else None
    if one is None or one.mtu is None:
        return
    if size == one.mtu[0] and size != 1500:
        draft.add(1, f"mtu: {size}B", one.mtu[1])
    elif size != one.mtu[0]:
        draft.differs.append(
            f"the MTU is {one.mtu[0]} ({one.mtu[1]}), in the scenario {size}: not all its cards take that"
        )


# -- swap ---------------------------------------------------------------------------------------------------------------


def _swap(host: Host, draft: Draft, swapping: Swapping) -> None:
    """The lines of `swap`; a comment alone where nothing goes over the network."""
    for other in swapping.others:
        draft.differs.append(f"another swap area is left out: {other}")
    if swapping.way in (Way.LOCAL, Way.NONE) and not swapping.on_disk:
        draft.add(2, f"# no swap over the network: {draft.plain(swapping.why)}")
        return
    draft.add(2, "swap:", f"not over the network: {swapping.why}" if swapping.on_disk else swapping.why)
    if swapping.on_disk:
        draft.add(3, "on: disk")
        draft.assumed.append("A: disk: 5 ms and 50 MB/s (how fast its own disk is no file tells)")
    elif swapping.relayed:
        _relayed(draft)
    elif swapping.way is Way.DAEMON:
        _to_itself(draft)
    else:
        draft.add(3, "server: C")
        _transport(draft, swapping)
    draft.add(3, f"size: {size_text(swapping.size // PAGE * PAGE or 1 << 20)}", _size_why(host))
    if swapping.crypt:
        draft.add(3, "layer: {}", "dm-crypt lies between")
    if swapping.way is Way.NFS:
        _nfs(draft, swapping)
    queue = host.devices[swapping.device].queue.get("nr_requests", "") if swapping.device in host.devices else ""
    if queue.isdigit() and int(queue) > 0 and swapping.way is not Way.NFS:
        draft.add(3, f"in_flight: {min(int(queue), TAGS)}", f"{queue} in sys/block/{swapping.device}/queue/nr_requests")
    cluster = host.settings.get("vm/page-cluster")
    if cluster is not None and cluster.value <= 10:
        pages = min((1 << cluster.value) * (host.page[0] // PAGE), 65_536)
        draft.add(3, f"readahead: {pages}", f"2 to the power of {cluster.value} pages, {cluster.label}")


def _size_why(host: Host) -> str:
    return host.first_label("proc/swaps", "swapon") if host.swaps is not None else f"SwapTotal of {host.meminfo.label}"


def _transport(draft: Draft, swapping: Swapping) -> None:
    word = str(swapping.way) if accepts(models.Swap, "transport", str(swapping.way)) else "nbd"
    if swapping.way is Way.UNKNOWN:
        draft.assume(3, "transport: nbd", "no file tells over what the machine swaps")
    elif word != str(swapping.way):
        draft.add(
            3,
            f"transport: {word}",
            f"{swapping.way}, which netswap has not: TCP too, one connection, a request each page",
        )
        draft.differs.append(
            f"swap goes over {swapping.way}, in the scenario over NBD: other headers, and no session that logs in again"
        )
    else:
        draft.add(3, f"transport: {word}")


def _to_itself(draft: Draft) -> None:
    """A process of the machine keeps its pages."""
    draft.add(3, "server: A", "the machine itself: see its swap-server")
    draft.add(3, "transport: nbd")


def _relayed(draft: Draft) -> None:
    """A process of the machine, or a thread of a loop device, passes the pages on to another machine."""
    draft.add(3, "server: C")
    draft.add(3, "transport: nbd", "for what the relay speaks: requests over one TCP connection")
    draft.add(3, "via: proxy", "the relay on this machine: see its program proxy")
    draft.differs.append(
        "what relays the pages to their server has its own protocol on the machine, and writes through the page cache; in the "
        "scenario it is a proxy over NBD"
    )


def _nfs(draft: Draft, swapping: Swapping) -> None:
    options = swapping.mount.options if swapping.mount is not None else {}
    proto = options.get("proto", "tcp" if "tcp" in options else "udp" if "udp" in options else "tcp")
    label = "proc/mounts"
    sizes = [int(options[name]) for name in ("wsize", "rsize") if options.get(name, "").isdigit()]
    if sizes:
        size = max(PAGE, min(32_768, min(sizes) // PAGE * PAGE))
        draft.add(3, f"request: {size_text(size)}", f"wsize and rsize of {label}, 32 KiB at most in a scenario")
    if proto != "udp":
        draft.differs.append(
            f"NFS goes over {proto} on the machine ({label}), over UDP in the scenario: with transport: nbd it is one TCP "
            "connection"
        )
    elif options.get("timeo", "").isdigit() and 0 < int(options["timeo"]) <= 36_000:
        draft.add(3, f"timeout: {int(options['timeo']) * 100}ms", f"timeo of {label}")


# -- programs -----------------------------------------------------------------------------------------------------------


def _programs(host: Host, draft: Draft, swapping: Swapping, found: Numbers, listens: Listening) -> None:
    draft.add(2, "programs:")
    draft.add(3, "- rank:")
    _working_set(host, draft, swapping, found)
    pace = (
        "how fast programs go through memory no file tells: so that two seconds of an outage bring A from high to min"
    )
    draft.assume(5, f"touch: {size_text(found.touch)}", pace)
    draft.assume(5, "compute: 100ms", "how long programs do without new pages no file tells")
    draft.assume(5, "pattern: random", "in which order programs go through memory no file tells")
    _services(host, draft, listens)
    if swapping.relayed and swapping.device.startswith("loop"):
        draft.assume(
            3,
            "- proxy: {pages: 1, lock: true, io_flusher: true}",
            "a thread of the kernel: nothing of it is swapped out",
        )
    elif swapping.relayed:
        draft.assume(3, "- proxy: {pages: 64}", "a daemon with 256 KiB of its own that are in use, not locked")
    elif swapping.way is Way.DAEMON:
        draft.assume(3, "- swap-server: {pages: 64}", "a daemon with 256 KiB of its own that are in use, not locked")


def _working_set(host: Host, draft: Draft, swapping: Swapping, found: Numbers) -> None:
    """What programs need, as the files tell it or as it is assumed."""
    info, text = host.meminfo, f"working_set: {size_text(found.working_set)}"
    recorded = info["AnonPages"] + info["Shmem"] + swapping.used
    label = f"AnonPages and Shmem of {info.label}"
    if swapping.used:
        label += f", Used of {_size_why(host)}" if host.swaps is not None else ", SwapTotal less SwapFree"
    used = f"{recorded >> 20} MiB are used now ({label})"
    if host.limit is not None and found.memory < info["MemTotal"] - info.huge:
        draft.assume(5, text, "enough to swap within the limit; meminfo tells of the whole machine")
    elif found.working_set == recorded // PAGE * PAGE:
        draft.add(5, text, label)
    elif swapping.is_asked_about:
        draft.assume(5, text, f"A is short of memory, so that it swaps; {used}")
    elif found.working_set > recorded:
        draft.assume(5, text, f"a sixteenth of memory at least, and what is on its disk; {used}")
    else:
        draft.add(5, text, f"what fits; {used}")


def _services(host: Host, draft: Draft, listens: Listening) -> None:
    """A service for each protocol that something listens to; the ports stand for those of the machine."""
    for protocol, port, group in listens.groups:
        _service(draft, protocol, port, group)
        if group.buffer is not None:
            _buffer(draft, group.buffer, f"as ss tells ({host.listed.labels[protocol]})")
        elif protocol == "udp":
            buffer = host.settings.get("net/core/rmem_default")
            _buffer(draft, buffer.value if buffer is not None else None, buffer.label if buffer is not None else "")
        else:
            _tcp_buffer(host, draft)
    if not listens.groups:
        draft.add(3, "# no service: no socket faces the network")


def _tcp_buffer(host: Host, draft: Draft) -> None:
    """The setting's default, where the scenario has no tcp_rmem of its own."""
    setting = host.settings.get("net/ipv4/tcp_rmem")
    if setting is None:
        _buffer(draft, None, "")
    elif not accepts(models.Tcp, "rmem", list(setting.values)):
        _buffer(draft, setting.values[1], f"{setting.label}, the default; that it grows is not in the scenario")


def _service(draft: Draft, protocol: str, port: int, group: Group) -> None:
    draft.add(3, "- service:")
    draft.add(5, f"protocol: {protocol}")
    draft.add(5, f"port: {port}", "stands for the machine's ports, which follow each other here")
    draft.add(5, f"sockets: {group.sockets}", group.why)
    draft.assume(5, "pages: 64", "what a program uses of its memory for messages no file tells")


def _buffer(draft: Draft, size: int | None, why: str) -> None:
    if size is None:
        draft.assume(5, "buffer: none", "no file tells it: the kernel's default")
    elif 256 <= size <= 1 << 30:
        draft.add(5, f"buffer: {size}B", why)


# -- others -------------------------------------------------------------------------------------------------------------


def _flood(draft: Draft, listens: Listening, mbit: int, mtu: int) -> None:
    """B sends to what listens; an equal part of the rate to each group of sockets."""
    groups = listens.groups
    if not groups:
        return
    rate = min(mbit, FLOOD_MBIT_MAX) * 1000 // len(groups)
    written = f"{rate // 1000}Mbit/s" if rate % 1000 == 0 else f"{rate}kbit/s"
    ports = sum(one.sockets for one in listens.tcp)
    draft.add(1, "B:", "all that send to this machine")
    draft.add(2, f"nic: {{rate: {rate_text(mbit)}}}", "as that of A")
    draft.add(2, "programs:")
    for protocol, port, group in groups:
        draft.add(3, "- flood:")
        draft.add(5, f'to: "A:{port}"')
        draft.add(5, f"protocol: {protocol}")
        line = f"at most {FLOOD_MBIT_MAX} Mbit/s in all; the card's rate is {rate_text(mbit)}, and netswap ask asks with that"
        draft.assume(5, f"rate: {written}", line)
        draft.add(5, f"payload: {mtu - (28 if protocol == 'udp' else 52)}B", "a full frame")
        if protocol == "tcp" and listens.connections:
            flows = max(listens.connections * group.sockets // ports, group.sockets)
            draft.add(5, f"flows: {flows}", "the connections there are, at least one to each port")
        why = "in the outage: what a service uses that nobody has asked for a while has been swapped out"
        draft.assume(5, "from: 4s", why)


def _server(draft: Draft, swapping: Swapping) -> None:
    """The swap server and its outage, where it is another machine."""
    if swapping.way in (Way.LOCAL, Way.NONE) or (swapping.way is Way.DAEMON and not swapping.relayed):
        return
    draft.add(1, "C:", "the swap server")
    draft.add(2, "programs:")
    draft.assume(3, "- swap-server: {}", "how fast its disk is no file tells")
    draft.add(0, "timeline:")
    draft.assume(1, "- {at: 2s, partition: [C], for: 10s}", "an outage; netswap ask asks about 1, 10 and 60 s")


def _differs(host: Host, draft: Draft, swapping: Swapping) -> None:
    root = next((one for one in reversed(host.mounts or []) if one.point == "/"), None)
    booted = {"root=/dev/nfs", "nfsroot", "nbdroot"} & {
        word.partition("=")[0] if "root=/dev" not in word else word for word in host.boot
    }
    if booted or (root is not None and root.kind in NETWORK_FILES) or any("/dev/nbd" in one for one in host.boot):
        draft.differs.append(
            "its root file system is on the network too: pages of programs that reclaim has dropped come back over the network, "
            "and in the scenario from a disk of A"
        )
    if host.limit is None and (count := groups(host.tree)) > 1:
        draft.differs.append(f"control groups ({count} files of limits): the scenario is about the machine as a whole")
    if swapping.way is Way.LOCAL and swapping.size and not swapping.on_disk:
        draft.differs.append(
            f"its swap in compressed memory ({swapping.device}) is not in the scenario, in which only what fits is used"
        )
