"""What is there to run on: facts of a computer, and what can be said of them. Nothing here knows Ray."""

import resource
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from netswap.cluster.engine.shipping import python, sources_digest
from netswap.cluster.engine.surroundings import processors
from netswap.cluster.scenario.cost import available_bytes

ACTOR_BYTES: Final = 90 << 20
"""Resident, of an actor that does nothing yet (measured with Ray 2.60, Python 3.11)."""
SHARED_BYTES_MIN: Final = 128 << 20
"""The object store that a private cluster asks for."""
FILES_MIN: Final = 1024
CLOCK_S_MAX: Final = 5.0
"""By which a node's clock may be off: no result knows it, but logs, tokens and certificates do."""
MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one computer. Sizes in bytes; `clock_off_s` is how far its clock is ahead of the one that asks."""

    name: str
    python: str
    ray: str
    sources: str
    cores: int
    memory_bytes: int | None
    shared_bytes: int | None
    files_max: int
    time_s: float
    clock_off_s: float = 0.0

    @property
    def actors(self) -> int | None:
        """How many actors fit by memory; None if that is not known."""
        return None if self.memory_bytes is None else self.memory_bytes // ACTOR_BYTES


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what is looked at, what is there, whether a run can do with it, and what to do if not."""

    about: str
    what: str
    holds: bool = True
    hint: str = ""


def facts(ray_version: str) -> Facts:
    """The facts of the computer that this process runs on."""
    shared = Path("/dev/shm")
    return Facts(
        name=socket.gethostname(),
        python=python(),
        ray=ray_version,
        sources=sources_digest(),
        cores=processors(),
        memory_bytes=available_bytes(),
        shared_bytes=shutil.disk_usage(shared).free if shared.is_dir() else None,
        files_max=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        time_s=time.time(),
    )


def differences(here: Facts, there: Facts) -> list[Finding]:
    """Where a node does not run what we run."""
    found = [
        Finding(there.name, f"Python {there.python}, here {here.python}", False, "start it with the same Python"),
        Finding(there.name, f"Ray {there.ray}, here {here.ray}", False, "install the same Ray on both sides"),
        Finding(
            there.name,
            "it imports another netswap than the one that runs here",
            False,
            "remove what is installed there, or install the same; netswap sends its own",
        ),
    ]
    same = (here.python == there.python, here.ray == there.ray, here.sources == there.sources)
    return [finding for finding, is_same in zip(found, same, strict=True) if not is_same]


def examined(one: Facts) -> list[Finding]:
    """What can be said of one computer."""
    memory = one.memory_bytes
    shared = one.shared_bytes
    files_max = "no limit" if one.files_max == resource.RLIM_INFINITY else str(one.files_max)
    return [
        Finding(one.name, f"{one.cores} cores"),
        Finding(
            one.name,
            "memory: not known here" if memory is None else f"{memory // MIB} MiB free: about {one.actors} actors fit",
            memory is None or memory >= 4 * ACTOR_BYTES,
            "free some, or pack machines with --machines-per-actor, or use --engine inline",
        ),
        Finding(
            one.name,
            "shared memory: none to be seen" if shared is None else f"{shared // MIB} MiB of shared memory free",
            shared is None or shared >= SHARED_BYTES_MIN,
            f"give /dev/shm {SHARED_BYTES_MIN // MIB} MiB at least (docker run --shm-size; an emptyDir of medium Memory)",
        ),
        Finding(
            one.name,
            f"open files: {files_max}",
            one.files_max == resource.RLIM_INFINITY or one.files_max >= FILES_MIN,
            f"ulimit -n {65536} before `ray start`",
        ),
        Finding(
            one.name,
            f"clock: {one.clock_off_s:+.1f} s from ours",
            abs(one.clock_off_s) <= CLOCK_S_MAX,
            "let the nodes keep the same time (NTP)",
        ),
    ]


def as_json(findings: Sequence[Finding], nodes: Sequence[Facts]) -> dict[str, Any]:
    """One object: whether all is well, each finding, and the facts of each node."""
    return {
        "ok": all(one.holds for one in findings),
        "findings": [asdict(one) for one in findings],
        "nodes": [asdict(one) | {"actors": one.actors} for one in nodes],
    }
