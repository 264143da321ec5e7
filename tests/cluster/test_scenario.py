"""Scenarios: what they resolve to, and what is said about those that cannot."""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import safeguards
from cluster.scenario import Problem, Scenario, ScenarioError, load
from protocol.units import gib, kib, mib, ms, seconds, us

ROOT = Path(__file__).parents[2]
BROKEN = Path(__file__).parent / "broken"
EXAMPLE = ROOT / "configs" / "three-machines.yaml"

SOUND = """\
title: a sound scenario
stop: 60s
machines:
  A:
    swap: {server: C, size: 1GiB}
    programs:
      - rank: {working_set: 8MiB, touch: 4KiB}
      - service: {port: 9000, sockets: 4}
  B:
    programs:
      - flood: {to: "A:9000", rate: 1Mbit/s, payload: 100B}
  C:
    programs:
      - swap-server: {}
timeline:
  - {at: 5s, partition: [C], for: 10s}
expect: [A is wedged]
"""


class Broken(NamedTuple):
    """One mistake: `find` in the sound scenario becomes `replace`, where ▸ stands before the place to be reported."""

    find: str
    replace: str
    message: str
    hint: str


ONE_MISTAKE = {
    # keys
    "unknown key at the top": Broken("stop:", "▸stpo: 3s\nstop:", 'unknown key "stpo"', '"stop"'),
    "unknown key of a machine": Broken("    swap:", "    ▸memroy: 1GiB\n    swap:", '"memroy" in machines.A', '"memory"'),
    "unknown key of swap": Broken("size: 1GiB", "size: 1GiB, ▸in_fligth: 3", '"in_fligth"', '"in_flight"'),
    "unknown key of a program": Broken("sockets: 4", "▸sokets: 4", '"sokets"', '"sockets"'),
    "unknown key of a fault": Broken("for: 10s", "for: 10s, ▸form: 3s", '"form"', '"for"'),
    "unknown key of the network": Broken("stop:", "network: {▸latncy: 1ms}\nstop:", '"latncy" in network', '"latency"'),
    "unknown key of a link": Broken(
        "stop:", "network: {links: [{from: A, to: B, ▸los: 1%}]}\nstop:", "network.links.0", '"loss"'
    ),
    "a key that is far from all others": Broken("stop:", "▸xyzzy: 1\nstop:", '"xyzzy"', "known are title, seed, stop"),
    "a key twice": Broken("  A:\n", "  A:\n    memory: 1GiB\n    ▸memory: 2GiB\n", "a second time", "line 5"),
    "a machine twice": Broken("timeline:", "  ▸A: {}\ntimeline:", '"A" stands here a second time', "keep one"),
    "a counted machine's name twice": Broken("timeline:", "  A1: {}\n  ▸A: {count: 2}\ntimeline:", "", "")._replace(
        find="  B:\n", replace="  D0: {}\n  ▸D: {count: 2}\n  B:\n", message='a machine "D0" already', hint="another name"
    ),
    "a machine's name with a dot": Broken("  B:\n", "  ▸b.1: {}\n  B:\n", '"b.1" is no name', "use letters"),
    "a key without a value": Broken("stop:", "▸seed:\nstop:", "seed has no value", "remove the key"),
    # missing words
    "no stop": Broken("stop: 60s\n", "", '"stop" is missing', "stop: 60s"),
    "no size of swap": Broken("swap: {server: C, size: 1GiB}", "▸swap: {server: C}", '"size" is missing', "size: 2GiB"),
    "no end of a fault": Broken("- {at: 5s, partition: [C], for: 10s}", "- ▸{at: 5s, partition: [C]}", '"for"', "ever"),
    "no beginning of a fault": Broken("- {at: 5s, ", "- ▸{", '"at" is missing', "at: 5s"),
    # quantities
    "a bare number for a time": Broken("stop: 60s", "stop: ▸60", '"60" has no unit', "60s"),
    "a bare number for a size": Broken("size: 1GiB", "size: ▸1024", '"1024" has no unit', "1024MiB"),
    "a wrong unit": Broken("stop: 60s", "stop: ▸60sec", '"sec" in "60sec"', "60s"),
    "a unit of another quantity": Broken("rate: 1Mbit/s", "rate: ▸1MB/s", '"MB/s"', "Mbit/s"),
    "a unit in the wrong case": Broken("size: 1GiB", "size: ▸1gib", '"gib"', "1GiB"),
    "a negative size": Broken("size: 1GiB", "size: ▸-1GiB", "has a sign", "write 1GiB"),
    "a size of nothing": Broken("size: 1GiB", "size: ▸0B", "too small", "4KiB"),
    "memory below a page": Broken("    swap:", "    memory: ▸100B\n    swap:", "too small", "one page"),
    "a latency of nothing": Broken("stop:", "network: {latency: ▸0ms}\nstop:", "too small", "1ns"),
    "a share above everything": Broken("stop:", "network: {loss: ▸120%}\nstop:", "more than everything", "100%"),
    "a share without a unit": Broken("stop:", "network: {loss: ▸0.1}\nstop:", '"0.1" has no unit', "0.1%"),
    "half a nanosecond": Broken("stop: 60s", "stop: ▸0.5ns", "whole nanoseconds", "smaller unit"),
    "an MTU below IPv4's": Broken("stop:", "network: {mtu: ▸60B}\nstop:", "too small", "68B"),
    "too large a payload": Broken("payload: 100B", "payload: ▸64KiB", "too large", "65507"),
    "a min_free of all memory": Broken("    swap:", "    min_free: ▸512MiB\n    swap:", "all the memory of A", "less"),
    # kinds of value
    "a list for a mapping": Broken("swap: {server: C, size: 1GiB}", "swap: ▸[C]", "must be a mapping, not a list", "{"),
    "a mapping for a list": Broken("- {at: 5s, partition: [C], for: 10s}", "▸at: 5s", "must be a list", "begin with -"),
    "a text for a number": Broken("sockets: 4", "sockets: ▸'4'", "must be a whole number", "without quotes"),
    "a number for a text": Broken("title: a sound scenario", "title: ▸7", "must be a text", "quotes"),
    "a number for a truth": Broken("sockets: 4", "lock: ▸1", "must be true or false", "true"),
    "no sockets": Broken("sockets: 4", "sockets: ▸0", "too small", "at least 1"),
    "no machines": Broken(SOUND[SOUND.index("machines:") :], "machines: ▸{}\n", "nothing in it", "machines: {A"),
    # words
    "an unknown kernel": Broken("stop:", "kernel: ▸linux-2.6.21\nstop:", 'no kernel "linux-2.6.21"', "linux-2.6.22"),
    "a kernel not built": Broken("stop:", "kernel: ▸linux-6.11\nstop:", "not built yet", "use linux-2.6.22"),
    "a transport not built": Broken("size: 1GiB", "size: 1GiB, transport: ▸nbd", "not built yet", "use nfs"),
    "a protocol not built": Broken("sockets: 4", "protocol: ▸tcp", "not built yet", "use udp"),
    "an exchange not built": Broken("touch: 4KiB", "touch: 4KiB, exchange: ▸ring", "not built yet", "use none"),
    "a refill rule not built": Broken("    swap:", "    nic: {refill: ▸virtio}\n    swap:", "not built yet", "e1000 or tg3"),
    "several servers, not built": Broken("server: C,", "server: C, ▸servers: [C],", "not built yet", "use server"),
    "a fault not built": Broken("partition: [C], for", "▸crash: C, for", '"crash" is not built yet', "use partition"),
    "an unknown preset": Broken("stop:", "safeguards: ▸resreve\nstop:", 'no safeguard "resreve"', '"reserve"'),
    "a preset not built": Broken("stop:", "safeguards: ▸merged\nstop:", "not built yet", "none or reserve"),
    "a switch for a preset": Broken("stop:", "safeguards: ▸slab-rule\nstop:", "not a preset", "[slab-rule]"),
    "an unknown switch": Broken("stop:", "safeguards: [reserve, ▸-slab-rul]\nstop:", '"slab-rul"', '"slab-rule"'),
    "a switch not built": Broken("stop:", "safeguards: [▸tcp-exemption]\nstop:", "not built yet", "use reserve-access"),
    "safeguards of a machine": Broken("    swap:", "    safeguards: ▸rsv\n    swap:", '"rsv"', "known are"),
    "an unknown program": Broken("- rank:", "- ▸rnak:", 'no program "rnak"', '"rank"'),
    "two programs in one item": Broken("- swap-server: {}", "- ▸{swap-server: {}, service: {port: 1}}", "2 programs", "-"),
    "two swap-servers": Broken("- swap-server: {}", "- swap-server: {}\n      - ▸swap-server: {}", "already", "keep one"),
    "a module that is not there": Broken("- rank:", "- ▸no_such_module:Me: {}\n      - rank:", "no_such_module", "spelling"),
    "a class that is not there": Broken("- rank:", "- ▸fractions:Fracton: {}\n      - rank:", '"Fracton"', '"Fraction"'),
    "a class that is no name": Broken("- rank:", "- ▸fractions:: {}\n      - rank:", "names no class", "package.module"),
    # who swaps to whom
    "an unknown server": Broken("server: C", "server: ▸D", 'no machine "D"', "known are A, B, C"),
    "oneself as a server": Broken("server: C", "server: ▸A", "swap to itself", "another machine"),
    "a server without a program": Broken("server: C", "server: ▸B", "B has no swap-server", "swap-server: {}"),
    "a server that is many": Broken("  C:\n", "  C:\n    count: 2\n", "C is 2 machines", "C0"),
    "mutual swap": Broken(
        "- swap-server: {}\n",
        "- swap-server: {}\n    swap: {server: B, size: 1GiB}\n",
        "C has no",
        "",
    ),
    # ports
    "ports that overlap": Broken(
        "sockets: 4}", "sockets: 4}\n      - service: {port: ▸9003}", "9000 to 9003 of A have a service", "9004"
    ),
    "ports beyond the last": Broken("port: 9000,", "port: ▸65534,", "no ports 65536 to 65537", "lower port"),
    "port 0": Broken("port: 9000,", "port: ▸0,", "0 is no port", "1 to 65535"),
    "a flood to nobody": Broken('"A:9000"', '▸"D:9000"', 'no machine "D"', "known are A"),
    "a flood to a deaf port": Broken('"A:9000"', '▸"A:9004"', "no service listens on port 9004", "9000 to 9003"),
    "a flood without a port": Broken('"A:9000"', "▸A", "which port of A", '"A:9000"'),
    "a flood with two ports": Broken('"A:9000"', '"A:9000", port: ▸9000', "named twice", "to: A"),
    "a flood to a word": Broken('"A:9000"', '▸"A:http"', "no port", "A:9000"),
    "a flood to oneself": Broken('"A:9000"', '▸"B:9000"', "flood itself", "another"),
    # the timeline
    "an unknown fault": Broken("partition: [C]", "▸partiton: [C]", '"partiton"', '"partition"'),
    "no fault": Broken("partition: [C], ", "", "no fault is named", "partition, cut")._replace(
        find="- {at: 5s, partition: [C], for", replace="- ▸{at: 5s, for"
    ),
    "two faults in one": Broken("- {at: 5s, ", "- ▸{at: 5s, cut: {from: A, to: C}, ", "partition", "an item with -"),
    "faults out of order": Broken(
        "expect:", "  - {at: ▸4s, partition: [C], for: 1s}\nexpect:", "4s is before the fault above", "order"
    ),
    "a fault at the end": Broken("at: 5s", "at: ▸60s", "60s is not before the end", "before 60s"),
    "a fault that lasts no time": Broken("for: 10s", "for: ▸0s", "too small", "1ns"),
    "a fault about nobody": Broken("[C]", "[▸D]", 'no machine "D"', "known are"),
    "a partition of everybody": Broken("[C]", "▸[A, B, C]", "nobody is on the other side", "[[A], [B, C]]"),
    "a machine in two groups": Broken("[C]", "[[A, C], [▸C]]", "C is named twice", "one group"),
    "a partition without a list": Broken("[C]", "▸C", '"C" is no list', "[C]"),
    "a cut from nobody": Broken("partition: [C]", "cut: {from: ▸D, to: A}", 'no machine "D"', "known are"),
    "a cut of one machine": Broken("partition: [C]", "cut: {from: A, to: ▸A}", "the same machine", "another"),
    "a hold of unknown packets": Broken("partition: [C]", "hold: {from: A, to: C, only: ▸page-outs}", "", '"page-out"'),
    "a slow that is fast": Broken(
        "partition: [C]", "slow: {from: A, to: C, latency: ▸10us}", "below the smallest latency", "at least 100us"
    ),
    "a slow that does nothing": Broken("partition: [C]", "slow: ▸{from: A, to: C}", "changes nothing", "add latency"),
    # expectations
    "an unknown verdict": Broken("A is wedged", "▸A is weged", 'no verdict "weged"', '"wedged"'),
    "an unknown counter": Broken("A is wedged", "▸A.page_out > 3", 'no counter "page_out"', '"pages_out"'),
    "an unknown machine expected": Broken("A is wedged", "▸D is wedged", 'no machine "D"', "known are"),
    "a sentence": Broken("A is wedged", "▸A wedges", "no expectation", "NAME is [not] VERDICT"),
    "expectations of an unknown preset": Broken("expect: [A is wedged]", "expect: {▸nome: []}", '"nome"', '"none"'),
    "expectations that are no list": Broken("expect: [A is wedged]", "expect: ▸A is wedged", "no list", "[A is wedged]"),
}
