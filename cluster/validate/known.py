"""Words that scenarios may not know yet: each in one place, with what stands in for it meanwhile, and what that costs.

A mapping asks here whether a word can be written. What cannot be said at all is an error of the cell, which is then left out.
"""

from netswap.cluster.scenario.models import Fault, Machine, Proxy, Reader, Service, Swap, Tcp, Words

Notes = list[str]


class CannotBeSaidError(Exception):
    """A cell that no scenario can describe; str() says what is missing."""


def has(model: type[Words], field: str) -> bool:
    """Whether a scenario knows this word."""
    return field in model.model_fields


def never_reads(notes: Notes) -> dict[str, object]:
    """What a service has that never reads."""
    if has(Service, "reads"):
        return {"reads": "never"}
    notes.append("a service that never reads: as one that works an hour on its first message")
    return {"work": "1h"}


def fragment_limit(high: int, notes: Notes) -> dict[str, object]:
    """What a machine has with this ipfrag_high_thresh, in bytes."""
    if has(Machine, "ipfrag"):
        return {"ipfrag": {"high": f"{high}B"}}
    notes.append(f"ipfrag_high_thresh {high}: not said, the kernel's own")
    return {}


def proxy(socket: str, notes: Notes) -> dict[str, object]:
    """The settings of a locked, real-time proxy whose other end is this kind of socket."""
    settings: dict[str, object] = {"lock": True}
    if has(Proxy, "realtime"):
        settings["realtime"] = True
    else:
        notes.append("the proxy is not real-time")
    if has(Proxy, "socket"):
        settings["socket"] = socket
    elif socket != "unix":
        notes.append(f"the proxy's local socket is a pair, not {socket}")
    return settings


def stopped(machine: str, program: str, notes: Notes) -> dict[str, object]:
    """The fault in which a program stands still, and its kernel lives."""
    if has(Fault, "freeze"):
        return {"freeze": f"{machine}.{program}"}
    notes.append("the server's process stops: as a pause of its whole machine")
    return {"pause": machine}


def local_swap(size: str) -> dict[str, object]:
    """A swap on the machine's own disk. Raises CannotBeSaidError."""
    if not has(Swap, "on"):
        raise CannotBeSaidError("swap: {on: disk}")
    return {"on": "disk", "size": size}


def mapped_file(notes: Notes) -> dict[str, object]:
    """What a reader has that maps its file."""
    if has(Reader, "mapped"):
        return {"mapped": True}
    notes.append("the file is read, not mapped")
    return {}


def tcp_receive_buffer(size: int) -> dict[str, object]:
    """What a machine's tcp has so that a receive buffer may be as large as this."""
    return {"rmem": [4096, 131_072, max(size, 6 << 20)]} if has(Tcp, "rmem") else {}
