"""Scenarios with something wrong in them: those of configs/, each with a few of its values or lines changed by chance."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from netswap.cluster.scenario.source import parse
from netswap.protocol import units

CONFIGS = Path(__file__).parents[2] / "configs"
SOURCES = sorted(path for path in CONFIGS.rglob("*.yaml") if path.parent.name != "experiments")

NASTY: list[Any] = [
    *[
        None,
        True,
        False,
        "",
        " ",
        "none",
        "auto",
        "ever",
        "null",
        "~",
        "A",
        "B",
        "C",
        "A0",
        "A:9000",
        ":",
        "A:",
        "\n",
        "é",
    ],
    *[
        0,
        1,
        -1,
        2,
        3,
        7,
        64,
        255,
        256,
        4096,
        65_535,
        65_536,
        100_000,
        1_000_000,
        2**31,
        2**32,
        2**63 - 1,
        2**63,
        10**50,
    ],
    *[0.0, 0.5, -1.5, 1e308, "1e5", "0x10", "1_000", "9" * 50, "9" * 5000],
    *["0ns", "1ns", "3ns", "1us", "100us", "1ms", "20ms", "1s", "1h", "10000h", "100000h", "0.5ns", "-1s", "1 s", "1S"],
    *["0B", "1B", "68B", "100B", "1472B", "1500B", "4095B", "4KiB", "6KiB", "32KiB", "9000B", "64KiB", "1MiB", "8MiB"],
    *["64MiB", "2GiB", "1TiB", "64TiB", "65TiB", "90000TiB", "1.5GiB", "1bit/s", "1kbit/s", "1Gbit/s", "1000Gbit/s"],
    *["1000000Gbit/s", "1B/s", "1MB/s", "1000GB/s", "1000TB/s", "0%", "0.0001%", "1%", "50%", "100%", "101%", "20%"],
    *["nbd", "nfs", "tcp", "udp", "e1000", "e1000e", "tg3", "virtio", "8139cp", "linux-2.6.22", "linux-6.11", "proxy"],
    *["reserve", "merged", "laundry", "ddsnap", "min-free-20", "ring", "halo", "allreduce", "random", "cyclic", "cold"],
    *["warm", "read", "write", "disk", "swap", "coded", "mirrored", "striped", "evict", "refuse", "ipv6", "incomplete"],
    *["A is wedged", "A is not wedged", "A.free_pages > 3", "wedged", "x" * 300, "\x07", "a: b", "page-in-reply"],
    *[
        [],
        {},
        [[]],
        [{}],
        ["A"],
        [["A"], ["B"]],
        [0],
        {"A": None},
        {"from": "A", "to": "B"},
        {"x": {"y": [1, {"z": 2}]}},
    ],
    *[{"rank": {"working_set": "8MiB", "touch": "1MiB"}}, {"swap-server": {}}, {"service": {"port": 9000}}],
]
KEYS = [
    *["from", "to", "at", "for", "count", "memory", "swap", "server", "servers", "size", "programs", "rank", "service"],
    *[
        "flood",
        "swap-server",
        "proxy",
        "reader",
        "writer",
        "heartbeat",
        "pages",
        "lock",
        "queue",
        "port",
        "layout",
        "mtu",
    ],
    *[
        "via",
        "transport",
        "in_flight",
        "readahead",
        "request",
        "kernel",
        "safeguards",
        "reserve",
        "min_free",
        "nic",
        "ring",
    ],
    *[
        "refill",
        "softirq",
        "tcp",
        "udp",
        "mem",
        "files",
        "disk",
        "latency",
        "loss",
        "arp",
        "framing",
        "links",
        "cut",
        "slow",
    ],
    *[
        "hold",
        "crash",
        "pause",
        "freeze",
        "slow-disk",
        "x",
        "a:b",
        "A",
        "",
        "seed",
        "backup",
        "data",
        "parity",
        "acks",
        "extra",
    ],
    *[
        "exchange",
        "message",
        "steps",
        "compute",
        "work",
        "sockets",
        "buffer",
        "text",
        "file",
        "on",
        "fragments",
        "train",
    ],
]


def mutants(seed: int, count: int) -> Iterator[str]:
    """So many texts, the same ones for the same seed."""
    chance = Random(seed)
    for _ in range(count):
        text = chance.choice(SOURCES).read_text()
        if chance.random() < 0.25:
            yield changed_text(chance, text)
        else:
            yield json.dumps(changed_tree(chance, tree_of(text)), indent=1) + "\n"


@cache
def tree_of(text: str) -> Any:
    """The plain values of a config."""
    return parse("", text).tree


def changed_tree(chance: Random, tree: Any) -> Any:
    """The tree with one to three changes."""
    tree = json.loads(json.dumps(tree))
    for _ in range(chance.choice([1, 1, 2, 3])):
        parent = chance.choice(list(parents(tree)))
        change(chance, parent, tree)
    return tree


def parents(value: Any) -> Iterator[Any]:
    """All lists and mappings that have something in them, the outermost first."""
    if isinstance(value, dict | list) and value:
        yield value
        for one in value.values() if isinstance(value, dict) else value:
            yield from parents(one)


def change(chance: Random, parent: Any, tree: Any) -> None:
    """Remove, copy, swap or replace one value."""
    keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
    key, other = chance.choice(keys), chance.choice(keys)
    what = chance.randrange(30)
    if what >= 8:
        leaves = [key for key in keys if not isinstance(parent[key], dict | list)]
        for key in leaves[:1] and [chance.choice(leaves)]:
            parent[key] = chance.choice([one for one in NASTY if kind_of(one) == kind_of(parent[key])])
    elif what == 0:
        del parent[key]
    elif what == 1 and isinstance(parent, list):
        parent.insert(other, parent[key])
    elif what == 1:
        parent[chance.choice(KEYS)] = parent[key]
    elif what == 2:
        parent[key], parent[other] = parent[other], parent[key]
    elif what == 3:
        elsewhere = chance.choice(list(parents(tree)))
        parent[key] = chance.choice(list(elsewhere.values()) if isinstance(elsewhere, dict) else elsewhere)
        json_or_nothing(parent, key, tree)
    elif what == 4 and isinstance(parent, dict):
        parent[chance.choice(KEYS)] = chance.choice(NASTY)
    else:
        parent[key] = chance.choice(NASTY)


def kind_of(value: Any) -> str:
    """Values that can stand for each other: of one type, or of one unit."""
    unit = units.unit_of(value)
    kinds = [units.TIME_UNITS, units.SIZE_UNITS, units.RATE_UNITS, units.BANDWIDTH_UNITS, units.SHARE_UNITS]
    return next((str(place) for place, kind in enumerate(kinds) if unit in kind), type(value).__name__)


def json_or_nothing(parent: Any, key: Any, tree: Any) -> None:
    """A value that would contain itself goes again."""
    try:
        parent[key] = json.loads(json.dumps(parent[key]))
        json.dumps(tree)
    except ValueError:
        parent[key] = None


def changed_text(chance: Random, text: str) -> str:
    """The text with a piece cut out, said twice, or with signs that mean something to YAML."""
    for _ in range(chance.choice([1, 2, 4])):
        begin = chance.randrange(len(text) + 1)
        end = min(len(text), begin + chance.choice([0, 1, 3, 20, 200]))
        signs = [
            "",
            "[",
            "{",
            "}",
            ": ",
            "\n",
            "- ",
            "&a ",
            "*a",
            "!!int ",
            "!x ",
            "'",
            '"',
            "#",
            "\t",
            "---\n",
            "\0",
            "|",
            "9",
        ]
        text = text[:begin] + chance.choice([*signs, text[begin:end] * 2]) + text[end:]
    return text + "\n"
