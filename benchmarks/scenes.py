"""The scenarios that are measured: W1, W2 and W3 of the peers, on the machines that users run."""

from typing import Final

_HEAD: Final = """
title: {title}
stop: {stop}
network: {{latency: 100us}}
machines:
"""
_A: Final = """
  A:
    memory: 64MiB
"""
_SWAPS: Final = """
    swap: {server: C, size: 2GiB, in_flight: 32, readahead: 1}
"""
_PROGRAMS: Final = """
    programs:
"""
_SERVICE: Final = """
      - service: {port: 9000, sockets: 64}
"""
_RANK: Final = """
      - rank: {working_set: 845MiB, touch: 845MiB, start: cold, steps: 1}
"""
_B: Final = """
  B:
    programs:
      - flood: {to: "A:9000", rate: 1Gbit/s, payload: 1472B, for: 12304ms, train: 1ms}
"""
_C: Final = """
  C:
    programs:
      - swap-server: {disk_latency: 0ns, disk_bandwidth: 1000000MB/s}
"""


def _scene(title: str, *parts: str, stop: str = "15s") -> str:
    return _HEAD.format(title=title, stop=stop) + "".join(part.removeprefix("\n") for part in parts)


FLOOD: Final = _scene("1,000,000 frames of 1538 bytes at line rate", _A, _PROGRAMS, _SERVICE, _B)
FLOOD_LONG: Final = _scene("the same in trains of 1 s", _A, _PROGRAMS, _SERVICE, _B.replace("train: 1ms", "train: 1s"))
PAGE_OUTS: Final = _scene("200,000 page-outs, 32 in flight", _A, _SWAPS, _PROGRAMS, _RANK, _C)
BOTH: Final = _scene("the flood and the page-outs at once", _A, _SWAPS, _PROGRAMS, _RANK, _SERVICE, _B, _C)

_HOUR: Final = """
title: a virtual hour of flood at line rate, the swap server away all the time
stop: 3605s
safeguards: SAFEGUARDS
reserve: {pages: auto}
network: {latency: 1ms, bandwidth: 1Gbit/s}
machines:
  A:
    memory: 512MiB
    swap: {server: C, size: 2GiB}
    programs:
      - rank: {working_set: 640MiB, touch: 32MiB, compute: 20ms}
      - service: {port: 9000, sockets: 64, pages: 64}
  B:
    programs:
      - flood: {to: "A:9000", rate: 1Gbit/s, payload: 1472B, from: 5s, train: 1s}
  C:
    programs:
      - swap-server: {disk_latency: 200us, disk_bandwidth: 100MB/s}
timeline:
  - {at: 5s, partition: [C], for: 3600s}
"""
HOUR_WEDGED: Final = _HOUR.replace("SAFEGUARDS", "none")
HOUR_PROTECTED: Final = _HOUR.replace("SAFEGUARDS", "reserve")

PAGES: Final = 131_072
MEMORY: Final = _scene(
    "pages that have all been written out",
    """
  A:
    memory: 128MiB
    swap: {server: C, size: 1GiB, in_flight: 32}
    programs:
      - rank: {working_set: 512MiB, touch: 512MiB, steps: 2}
""",
    _C,
    stop="60s",
)
"""A rank of `PAGES` pages, of which a quarter is resident at any time."""

BEATS: Final = """
title: three machines that beat once in each window
stop: 2s
network: {latency: 100us}
machines:
  M:
    count: 3
    memory: 16MiB
    programs:
      - heartbeat: {every: 100us}
      - rank: {working_set: 4KiB, touch: 4KiB, compute: 1h, exchange: ring, message: 4KiB}
"""
"""Nothing is sent but what the ranks need to find each other, so the cost is that of the windows themselves."""

RING_MACHINES: Final = 1_000
_GROUP: Final = 50
RING_SERVERS: Final = RING_MACHINES // _GROUP


def _ring(machines: int, touch: str, stop: str) -> str:
    """Ranks that swap, `_GROUP` of them (or all, if there are fewer) to a server."""
    group = min(_GROUP, machines)
    return _scene(
        f"{machines:,} ranks that swap, {group} to a server, and exchange halos over TCP after each step",
        *(
            f"""
  A{number}-:
    count: {group}
    memory: 4MiB
    swap: {{server: C{number}, size: 8MiB, in_flight: 4}}
    programs:
      - rank: {{working_set: 5MiB, touch: {touch}, compute: 10ms, exchange: halo, message: 16KiB}}
  C{number}:
    kernel: linux-6.11
    nic: {{rate: 10Gbit/s}}
    programs:
      - swap-server: {{disk_latency: 0ns, disk_bandwidth: 1000000MB/s, queue: 1000}}
"""
            for number in range(machines // group)
        ),
        stop=stop,
    )


RING: Final = _ring(RING_MACHINES, "64KiB", "100ms")
RINGS: Final = {machines: _ring(machines, "1MiB", "30ms") for machines in (10, 100, 1_000, 10_000)}
"""By the number of ranks: what a frame costs in clusters of all sizes."""
HALO: Final = _scene(
    "1,000 ranks that fit into memory and exchange halos over TCP after each step, no server for all",
    f"""
  A:
    count: {RING_MACHINES}
    memory: 16MiB
    programs:
      - rank: {{working_set: 5MiB, touch: 64KiB, compute: 10ms, exchange: halo, message: 16KiB}}
""",
    stop="100ms",
)
IDLE_MACHINES: Final = 1_000
IDLE: Final = _scene(
    "machines that do nothing",
    f"""
  A:
    count: {IDLE_MACHINES}
    memory: 64MiB
    programs: []
""",
    stop="1s",
)
STREAM: Final = _scene(
    "a bulk transfer over TCP at line rate",
    """
  A:
    memory: 64MiB
    programs:
      - service: {protocol: tcp, port: 9000}
  B:
    memory: 64MiB
    programs:
      - flood: {protocol: tcp, to: "A:9000", rate: 10Gbit/s, payload: 65160B}
""",
    stop="2s",
)
