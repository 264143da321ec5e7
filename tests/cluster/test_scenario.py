"""Scenarios: what they resolve to, and what is said about those that cannot."""

import contextlib
import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netswap.actors import safeguards
from netswap.actors.network.link import LinkSettings
from netswap.actors.policy import Policy
from netswap.actors.settings import Files, MachineSettings, Swap
from netswap.cluster.scenario import Problem, Scenario, ScenarioError, load, models
from netswap.cluster.scenario.resolve import resolve
from netswap.cluster.scenario.resolved import DirectedLink, Fault, NetworkSettings
from netswap.protocol.units import gib, kib, mib, ms, seconds, us

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
      - rank: {working_set: 8MiB, touch: 4KiB, compute: 1ms}
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
HALO = """\
      - swap-server: {}
      - rank: {working_set: 8MiB, touch: 4KiB, message: 1KiB, exchange: halo}
"""
HALO_OF_OTHERS = """\
  D:
    programs:
      - rank: {working_set: 8MiB, touch: 4KiB, message: 1KiB, exchange: halo}
"""


class Broken(NamedTuple):
    """One mistake: `find` in the sound scenario becomes `replace`, where ▸ stands before the place to be reported."""

    find: str
    replace: str
    message: str
    hint: str


def coded(swap: str) -> tuple[str, str]:
    """A's swap put in place of the sound one, with five machines E to swap to."""
    servers = "  E: {count: 5, programs: [{swap-server: {}}]}\n"
    return "  A:\n    swap: {server: C", f"{servers}  A:\n    {swap}"


ONE_MISTAKE = {
    # keys
    "unknown key at the top": Broken("stop:", "▸stpo: 3s\nstop:", 'unknown key "stpo"', '"stop"'),
    "unknown key of a machine": Broken(
        "    swap:", "    ▸memroy: 1GiB\n    swap:", '"memroy" in machines.A', '"memory"'
    ),
    "a request of half a page": Broken(
        "size: 1GiB", "size: 1GiB, request: ▸6KiB", 'request: "6KiB" is not in whole pages', "write a multiple of 4KiB"
    ),
    "a request larger than NFS has them": Broken(
        "size: 1GiB", "size: 1GiB, request: ▸64KiB", 'request: "64KiB" is too large', "write at most 32KiB"
    ),
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
    "a counted machine's name twice": Broken(
        "  B:\n", "  D0: {}\n  ▸D: {count: 2}\n  B:\n", 'a machine "D0" already', "another name"
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
    "memory below a page": Broken("    swap:", "    memory: ▸100B\n    swap:", "too small", "4KiB"),
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
    "a kernel's name too long": Broken(
        "stop:", "kernel: ▸linux-6.111\nstop:", 'no kernel "linux-6.111"', '"linux-6.11"'
    ),
    "an unknown transport": Broken("size: 1GiB", "size: 1GiB, transport: ▸nbx", 'no transport "nbx"', '"nbd"'),
    "retries of NBD": Broken(
        "size: 1GiB",
        "size: 1GiB, transport: nbd, ▸retries: 2",
        "NBD has no retries",
        "remove it, or write transport: nfs",
    ),
    "connections of NFS": Broken(
        "size: 1GiB", "size: 1GiB, ▸persist: false", "nfs has no persist", "remove it, or write transport: nbd"
    ),
    "a sender of NFS": Broken(
        "size: 1GiB", "size: 1GiB, ▸sender: thread", "nfs has no sender", "remove it, or write transport: nbd"
    ),
    "a thread without rights under 6.11": Broken(
        "    swap: {server: C",
        "    kernel: linux-6.11\n    swap: {transport: nbd, ▸sender: thread, server: C",
        "linux-6.11 sends by a thread that may go below min",
        "remove it, or write kernel: linux-2.6.22",
    ),
    "a block device of user space elsewhere": Broken(
        "size: 1GiB", "size: 1GiB, transport: ▸ublk", "leads to a process of the machine itself", "write server: A"
    ),
    "a swap on disk with a server": Broken(
        "server: C", "on: disk, ▸server: C", "a swap on the machine's own disk has no server", "remove on: disk"
    ),
    "a layer before several servers": Broken(
        "server: C", "servers: [C], backup: disk, ▸layer: {}", "swap to several servers has no layer", "write server: C"
    ),
    "a request of NBD with several pages": Broken(
        "size: 1GiB", "size: 1GiB, transport: nbd, ▸request: 8KiB", "NBD has no request: a request is one page", "nfs"
    ),
    "more requests than NBD has tags": Broken(
        "size: 1GiB", "size: 1GiB, transport: nbd, in_flight: ▸129", "no more than 128 requests", "write 128 or less"
    ),
    "an unknown protocol": Broken("sockets: 4", "protocol: ▸tpc", 'no protocol "tpc"', '"tcp"'),
    "a limit of TCP that does not grow": Broken(
        "    swap:", "    tcp: {mem: ▸[3, 2, 1]}\n    swap:", "is no tcp_mem", "[3072, 4096, 6144]"
    ),
    "an unknown exchange": Broken("touch: 4KiB", "touch: 4KiB, exchange: ▸rign", 'no exchange "rign"', '"ring"'),
    "an unknown refill rule": Broken(
        "    swap:", "    nic: {refill: ▸e100}\n    swap:", 'no refill rule "e100"', 'did you mean "e1000"?'
    ),
    "server and servers": Broken("server: C,", "server: C, ▸servers: [C],", "are both written", "remove one"),
    "neither": Broken("swap: {server: C, ", "▸swap: {", '"server" is missing in machines.A.swap', "or servers: [C, D]"),
    "no servers": Broken("server: C,", "servers: ▸[],", "no server in servers", "write servers: [C, D]"),
    "a server twice": Broken("server: C,", "servers: [C, ▸C],", "C is among the servers already", "each once"),
    "an unknown one of several": Broken("server: C,", "servers: [C, ▸X],", 'no machine "X"', "known are"),
    "oneself among several": Broken("server: C,", "servers: [C, ▸A],", "swap to itself", "another machine"),
    "one of several without a program": Broken(
        "server: C,", "servers: [C, ▸B],", "B has no swap-server", "swap-server"
    ),
    "an unknown layout": Broken("server: C,", "servers: [C], layout: ▸raid,", 'no layout "raid"', "striped"),
    "one mirror": Broken(
        "server: C,", "server: C, layout: ▸mirrored,", "need several servers", "write servers: [C, D]"
    ),
    "data of one server": Broken("server: C,", "server: C, ▸data: 2,", "striped pages have no data", "layout: coded"),
    "acks of one server": Broken(
        "server: C,", "server: C, ▸acks: 1,", "striped pages have no acks", "layout: mirrored"
    ),
    "nobody else to ask": Broken(
        "server: C,", "server: C, ▸failover: 1s,", "no other server to ask", "add backup: disk"
    ),
    "a full disk": Broken("- swap-server: {}", "- swap-server: {▸full: refuse}", "is never full", "add memory"),
    "an unknown way out": Broken(
        "- swap-server: {}", "- swap-server: {memory: 1GiB, full: ▸drop}", 'memory is full "drop"', "evict"
    ),
    "an unknown backup": Broken("server: C,", "server: C, backup: ▸tape,", 'no backup "tape"', "none"),
    "no parity": Broken(
        *coded("▸swap: {servers: [E], layout: coded, data: 2"), "parts that may be lost", "add parity: 2"
    ),
    "no data": Broken(
        *coded("▸swap: {servers: [E], layout: coded, parity: 2"), "parts that make a page", "add data: 2"
    ),
    "too few servers": Broken(
        *coded("swap: {servers: [E], layout: coded, data: ▸4, parity: 2"),
        "4 + 2 parts need as many servers, and there are 5",
        "more servers",
    ),
    "fewer answers than a page has parts": Broken(
        *coded("swap: {servers: [E], layout: coded, data: 2, parity: 1, acks: ▸1"), "1 of 3 parts", "write 2 to 3"
    ),
    "more answers than there are parts": Broken(
        *coded("swap: {servers: [E], layout: mirrored, acks: ▸6"), "6 of 5 parts", "write 1 to 5"
    ),
    "more parts than there are": Broken(
        *coded("swap: {servers: [E], layout: coded, data: 2, parity: 1, extra: ▸2"),
        "no 2 parts beyond the 2",
        "1 or less",
    ),
    "a mirror with data": Broken(
        *coded("swap: {servers: [E], layout: mirrored, ▸data: 2"), "mirrored pages have no data", "layout: coded"
    ),
    "several machines as one server": Broken(
        *coded("swap: {server: ▸E"), "E is 5 machines", "name one of them, as E0, or write servers: [E]"
    ),
    "an unknown preset": Broken("stop:", "safeguards: ▸resreve\nstop:", 'no safeguard "resreve"', '"reserve"'),
    "a switch for a preset": Broken("stop:", "safeguards: ▸slab-rule\nstop:", "not a preset", "[slab-rule]"),
    "an unknown switch": Broken("stop:", "safeguards: [reserve, ▸-slab-rul]\nstop:", '"slab-rul"', '"slab-rule"'),
    "safeguards of a machine": Broken("    swap:", "    safeguards: ▸xyz\n    swap:", '"xyz"', "known are"),
    "an unknown program": Broken("- rank:", "- ▸rnak:", 'no program "rnak"', '"rank"'),
    "two programs in one item": Broken(
        "- swap-server: {}", "- ▸{swap-server: {}, service: {port: 1}}", "2 programs", "-"
    ),
    "two swap-servers": Broken(
        "- swap-server: {}", "- swap-server: {}\n      - ▸swap-server: {}", "already", "keep one"
    ),
    "a module that is not there": Broken(
        "- rank:", "- ▸no_such_module:Me: {}\n      - rank:", "no_such_module", "spelling"
    ),
    "a class that is not there": Broken(
        "- rank:", "- ▸fractions:Fracton: {}\n      - rank:", '"Fracton"', '"Fraction"'
    ),
    "a class that is no name": Broken(
        "- rank:", "- ▸fractions:: {}\n      - rank:", "names no class", "package.module"
    ),
    "a class that is no program": Broken(
        "- rank:", "- ▸fractions:Fraction: {}\n      - rank:", "no generator run", "yields requests"
    ),
    "settings that a class does not take": Broken(
        "- rank:", "- ▸programs:Fails: {before: 1s}\n      - rank:", "before", "parameters of the class"
    ),
    # what does not fit
    "a service without room": Broken(
        "- rank:", "- ▸service: {port: 1, pages: 200000}\n      - rank:", "200000", "more"
    ),
    "a swap without room": Broken(
        "rank: {working_set: 8MiB", "▸rank: {working_set: 8GiB", "the swap has 262144", "size larger"
    ),
    # who swaps to whom
    "an unknown server": Broken("server: C", "server: ▸D", 'no machine "D"', "known are A, B, C"),
    "oneself as a server": Broken(
        "server: C", "server: ▸A", "would swap to itself, and has no swap-server", "pages: 64"
    ),
    "a server without a program": Broken("server: C", "server: ▸B", "B has no swap-server", "swap-server: {}"),
    "a server that is many": Broken(
        "  A:\n    swap: {server: C",
        "  E: {count: 2, programs: [{swap-server: {}}]}\n  A:\n    swap: {server: ▸E",
        "E is 2 machines",
        "name one of them, as E0",
    ),
    "a proxy that is not there": Broken(
        "size: 1GiB", "size: 1GiB, transport: nbd, via: ▸proxy", "A has no proxy", "add to the programs of A: proxy: {}"
    ),
    "a proxy of NFS": Broken(
        "size: 1GiB}\n    programs:\n",
        "size: 1GiB, via: ▸proxy}\n    programs:\n      - proxy: {}\n",
        "NFS goes over UDP",
        "write transport: nbd",
    ),
    "a proxy of nothing": Broken("- rank:", "- ▸proxy: {}\n      - rank:", "nothing goes through", "via: proxy"),
    "a proxy before a server and a disk": Broken(
        "size: 1GiB}\n    programs:\n",
        "size: 1GiB, transport: nbd, backup: disk, via: ▸proxy}\n    programs:\n      - proxy: {}\n",
        "a proxy stands before one server",
        "without a backup",
    ),
    "a file on a server and a disk": Broken(
        "size: 1GiB}\n    programs:\n",
        "size: 1GiB, backup: disk}\n    programs:\n      - writer: {file: 1MiB, rate: 1MB/s, on: ▸swap}\n",
        "a file is on one swap server",
        "on: disk",
    ),
    "two proxies": Broken(
        "size: 1GiB}\n    programs:\n",
        "size: 1GiB, transport: nbd, via: proxy}\n    programs:\n      - proxy: {}\n      - ▸proxy: {}\n",
        "A has a proxy already",
        "keep one of them",
    ),
    "a way that is not there": Broken("size: 1GiB", "size: 1GiB, via: ▸tunnel", "no way to the swap server", "proxy"),
    "mutual swap": Broken(
        "  A:\n    swap: {server: C, size: 1GiB}\n    programs:\n",
        "  E: {swap: {server: ▸A, size: 1GiB}, programs: [{swap-server: {}}]}\n"
        "  A:\n    swap: {server: E, size: 1GiB}\n    programs:\n      - swap-server: {}\n",
        "in mutual swap every server is a process: E > A > E",
        "give the swap-server of E pages of its own",
    ),
    "a lock of no process": Broken(
        "- swap-server: {}", "- swap-server: {▸lock: true}", "only a process has lock", "pages: 64"
    ),
    "a file of no process": Broken(
        "- swap-server: {}", "- swap-server: {▸file: 1MiB}", "only a process has file", "pages"
    ),
    "NFS to a process": Broken(
        "  A:\n    swap: {server: C",
        "  E: {programs: [{swap-server: {pages: 4}}]}\n  A:\n    swap: {server: ▸E",
        "the swap-server of E is a process, which speaks NBD",
        "write transport: nbd",
    ),
    "a file on no swap": Broken(
        "  A:\n    swap: {server: C",
        "  E: {programs: [{writer: {file: 1MiB, rate: 1MB/s, on: ▸swap}}]}\n  A:\n    swap: {server: C",
        "E has no swap",
        "on: disk",
    ),
    # ports
    "ports that overlap": Broken(
        "sockets: 4}", "sockets: 4}\n      - service: {port: ▸9003}", "9000 to 9003 of A have a service", "9004"
    ),
    "ports beyond the last": Broken(
        "sockets: 4}",
        "sockets: 4}\n      - service: {port: ▸65534, sockets: 4}",
        "no ports 65536 to 65537",
        "lower port",
    ),
    "port 0": Broken("port: 9000,", "port: ▸0,", "0 is no port", "1 to 65535"),
    "a flood to nobody": Broken('"A:9000"', '▸"D:9000"', 'no machine "D"', "known are A"),
    "a flood to a deaf port": Broken('"A:9000"', '▸"A:9004"', "no service listens on port 9004", "9000 to 9003"),
    "a flood without a port": Broken('"A:9000"', "▸A", "the port of A is missing", '"A:9000"'),
    "a flood with two ports": Broken('"A:9000"', '"A:9000", port: ▸9000', "named twice", "to: A"),
    "a flood to a word": Broken('"A:9000"', '▸"A:http"', "no port", "A:9000"),
    "a flood of another protocol": Broken(
        "rate: 1Mbit/s", "protocol: ▸tcp, rate: 1Mbit/s", "speaks tcp", "protocol: udp"
    ),
    "a service on the port of a rank": Broken(
        "      - swap-server: {}\n",
        HALO + "      - service: {port: ▸65000, sockets: 3, protocol: tcp}\n" + HALO_OF_OTHERS,
        "port 65002 of C is where its rank is called",
        "lower port",
    ),
    # exchanges
    "an exchange with nobody": Broken(
        "touch: 4KiB", "touch: 4KiB, message: 1KiB, exchange: ▸ring", "nobody else", "count: 2 under A"
    ),
    "an exchange of nothing": Broken(
        "      - swap-server: {}\n",
        HALO.replace(", message: 1KiB", "").replace("halo", "▸halo") + HALO_OF_OTHERS,
        "size of the messages",
        "64KiB",
    ),
    "two ranks of one exchange": Broken(
        "      - swap-server: {}\n",
        HALO + HALO.replace("halo", "▸halo").removeprefix("      - swap-server: {}\n") + HALO_OF_OTHERS,
        "C has a rank with exchange halo already",
        "machines of their own",
    ),
    "a flood to oneself": Broken('"A:9000"', '▸"B:9000"', "flood itself", "another"),
    "work of who never reads": Broken(
        "sockets: 4}", "sockets: 4, reads: never, ▸work: 1ms}", "this service never reads one", "reads: always"
    ),
    "huge pages before there were any": Broken(
        "  A:\n",
        "  A:\n    thp: ▸on\n",
        "linux-2.6.22 has no transparent huge pages",
        "kernel: linux-6.1 or linux-6.11",
    ),
    "an unknown habit": Broken("sockets: 4}", "sockets: 4, reads: ▸nevr}", "habit of reading", '"never"'),
    "a low mark above the high one": Broken(
        "  A:\n", "  A:\n    ipfrag: {high: 64KiB, low: ▸65KiB}\n", "65KiB is above high, 64KiB", "a larger high"
    ),
    "a low mark above the kernel's own high one": Broken(
        "  A:\n", "  A:\n    ipfrag: {low: ▸1MiB}\n", "above the kernel's own high, 262144B", "a larger high"
    ),
    "buffers that shrink": Broken("  A:\n", "  A:\n    tcp: {rmem: ▸[8KiB, 4KiB, 1MiB]}\n", "is no tcp_rmem", "grow"),
    "two buffers": Broken("  A:\n", "  A:\n    tcp: {wmem: ▸[4096, 16384]}\n", "is no tcp_wmem", "three sizes"),
    "a buffer of no size": Broken("  A:\n", "  A:\n    tcp: {wmem: ▸[4096, 16384, many]}\n", "tcp_wmem", "write"),
    "a kernel's server in real time": Broken(
        "swap-server: {}", "swap-server: {▸realtime: true}", "only a process has realtime", "pages: 64"
    ),
    # the timeline
    "an unknown fault": Broken("partition: [C]", "▸partiton: [C]", '"partiton"', '"partition"'),
    "no fault": Broken("- {at: 5s, partition: [C], for", "- ▸{at: 5s, for", "no fault is named", "partition, cut"),
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
    "a hold of unknown packets": Broken(
        "partition: [C]", "hold: {from: A, to: C, only: ▸page-outs}", "kind of packet", '"page-out"'
    ),
    "a slow that is fast": Broken(
        "partition: [C]", "slow: {from: A, to: C, latency: ▸10us}", "below the smallest latency", "at least 100us"
    ),
    "a crash of nobody": Broken("partition: [C]", "crash: ▸D", 'no machine "D"', "known are"),
    "a crash of a list": Broken("partition: [C]", "crash: ▸[C]", "must be a text", "write a word"),
    "a pause of nobody": Broken("partition: [C]", "pause: ▸c", 'no machine "c"', "C"),
    "a freeze of nobody": Broken("partition: [C]", "freeze: ▸D", 'no machine "D"', "known are"),
    "a freeze of a program that is not there": Broken(
        "partition: [C]", "freeze: ▸A.servce", 'A has no program "servce"', 'did you mean "service"?'
    ),
    "a freeze of a list": Broken("partition: [C]", "freeze: ▸[C]", "must be a text", "write a word"),
    "a slow disk of nobody": Broken(
        "partition: [C]", "slow-disk: {machine: ▸D, latency: 50ms}", 'no machine "D"', "known are"
    ),
    "a slow disk of whom has none": Broken(
        "partition: [C]", "slow-disk: {machine: ▸B, latency: 50ms}", "B has no disk", "with a swap-server"
    ),
    "a slow disk without a latency": Broken(
        "partition: [C]", "▸slow-disk: {machine: C}", '"latency" is missing', "latency: 50ms"
    ),
    "fragments of what has none": Broken(
        "payload: 100B", "payload: 100B, link: ipv6, fragments: ▸incomplete", "only IPv4 has fragments", "remove it"
    ),
    "a frame that is too long": Broken("payload: 100B", "payload: ▸1501B, link: vlan", "1501B do not fit", "1500B"),
    "an unknown protocol of a link": Broken("payload: 100B", "payload: 100B, link: ▸ipv5", '"ipv5"', '"ipv'),
    "packets that a card cannot take": Broken(
        "stop:", "network: {mtu: ▸16111B}\nstop:", "takes packets of 16110 bytes", "at most 16110B"
    ),
    "ARP neither on nor off": Broken("stop:", "network: {arp: ▸maybe}\nstop:", '"maybe"', "known are on, off"),
    "a slow that does nothing": Broken("partition: [C]", "slow: ▸{from: A, to: C}", "changes nothing", "add latency"),
    # expectations
    "an unknown verdict": Broken("A is wedged", "▸A is weged", 'no verdict "weged"', '"wedged"'),
    "an unknown counter": Broken("A is wedged", "▸A.page_out > 3", 'no counter "page_out"', '"pages_out"'),
    "an unknown machine expected": Broken("A is wedged", "▸D is wedged", 'no machine "D"', "known are"),
    "a sentence": Broken("A is wedged", "▸A wedges", "no expectation", "NAME is [not] VERDICT"),
    "expectations of an unknown preset": Broken("expect: [A is wedged]", "expect: {▸nome: []}", '"nome"', '"none"'),
    "expectations that are no list": Broken(
        "expect: [A is wedged]", "expect: ▸A is wedged", "no list", "[A is wedged]"
    ),
}


def problems_of(source: str | Path, **how: object) -> list[Problem]:
    """What is wrong with a scenario, which must be something."""
    with pytest.raises(ScenarioError) as caught:
        load(source, **how).check_whole()  # type: ignore[arg-type]
    return caught.value.problems


def place_of(marked: str) -> tuple[int, int]:
    """Line and column of the mark in a text; its beginning without one."""
    before = marked[: max(marked.find("▸"), 0)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def sound_with(find: str, replace: str) -> str:
    """The sound scenario with one change."""
    assert SOUND.count(find) == 1, f"{find!r} stands {SOUND.count(find)} times in the sound scenario"
    return SOUND.replace(find, replace)


def test_the_sound_scenario_is_sound() -> None:
    """The scenario that the mistakes are put into has none of its own."""
    assert load(SOUND).title == "a sound scenario"


@pytest.mark.parametrize("broken", ONE_MISTAKE.values(), ids=ONE_MISTAKE.keys())
def test_a_mistake_is_reported_once_with_its_place_and_what_would_be_right(broken: Broken) -> None:
    """Each mistake gives one problem, at its place, with a message and a hint."""
    marked = sound_with(broken.find, broken.replace)
    found = problems_of(marked.replace("▸", ""))
    assert len(found) == 1, "\n".join(str(one) for one in found)
    problem = found[0]
    assert (problem.file, problem.line, problem.column) == ("<text>", *place_of(marked))
    assert broken.message in problem.message
    assert broken.hint in problem.hint


def test_a_process_lends_no_memory() -> None:
    """It is NBD that it speaks, and its pages are on disk or in a file."""
    text = sound_with("- swap-server: {}", "- swap-server: {pages: 9, memory: 1GiB}")
    [problem] = problems_of(text.replace("server: C,", "server: C, transport: nbd,"))
    assert "a process lends no memory" in problem.message
    assert "remove it, or pages" in problem.hint


BROKEN_FILES = {
    "empty.yaml": ["1:1: there is nothing in it; a scenario has title, stop and machines"],
    "list.yaml": ["1:1: a scenario is a mapping, not a list; write title:, stop: and machines: one below the other"],
    "latin-1.yaml": ["1:1: byte 10 is not UTF-8; save the file as UTF-8"],
    "tab.yaml": ["4:1: YAML: found character '\\t' that cannot start any token; indent with spaces, not with tabs"],
    "open-bracket.yaml": [
        "5:1: YAML: expected ',' or '}', but got '<stream end>'; "
        "check the brackets, quotes and indentation here and in the line above"
    ],
    "duplicates.yaml": [
        '3:1: "stop" stands here a second time; keep one of them; the first is in line 2',
        '7:3: "A" stands here a second time; keep one of them; the first is in line 5',
        '8:3: there is a machine "B1" already; counted machines are numbered from 0; give one of the two another name',
    ],
    "mutual.yaml": [
        "4:22: in mutual swap every server is a process: A > B > C > A; give the swap-server of A pages of its own "
        "(swap-server: {pages: 64}), or break the loop"
    ],
    "five-errors.yaml": [
        '3:7: stop: "60" has no unit; write 60s or 60ms',
        '7:5: unknown key "memroy" in machines.A; did you mean "memory"?',
        '8:20: there is no machine "D"; known are A, C',
        '15:5: "for" is missing in timeline.0; add for: 10s, or for: ever',
        '17:5: there is no verdict "wegded"; did you mean "wedged"?',
    ],
}


@pytest.mark.parametrize(("name", "lines"), BROKEN_FILES.items(), ids=BROKEN_FILES.keys())
def test_all_that_is_wrong_with_a_file_is_said_at_once_in_its_order(name: str, lines: list[str]) -> None:
    """The error's text is one line a problem: file:line:column: what is wrong; what would be right."""
    with pytest.raises(ScenarioError) as caught:
        load(BROKEN / name)
    assert str(caught.value).splitlines() == [f"{BROKEN / name}:{line}" for line in lines]


def test_every_broken_file_is_tested() -> None:
    """No file lies about without a test."""
    assert {path.name for path in BROKEN.iterdir()} == set(BROKEN_FILES)


def test_a_missing_file_is_an_error_that_names_its_neighbours() -> None:
    """A slip in a path is answered with the scenarios that are there."""
    [problem] = problems_of(BROKEN / "emtpy.yaml")
    assert problem.message == "there is no such file"
    assert "empty.yaml" in problem.hint


def test_a_folder_is_no_scenario() -> None:
    """What cannot be read is an error of the input."""
    [problem] = problems_of(BROKEN)
    assert "cannot be read" in problem.message


def test_an_alias_of_itself_is_an_error_and_no_endless_loop() -> None:
    """A value that contains itself is found."""
    [problem] = problems_of("title: x\nmachines: &a\n  A: *a\n")
    assert "nested too deeply" in problem.message


@given(st.text(max_size=200))
def test_no_text_is_more_than_an_error(text: str) -> None:
    """Whatever is given as a scenario, the answer is a ScenarioError with places, or a scenario."""
    found = problems_of(text + "\n")
    assert all(problem.line >= 1 and problem.column >= 1 for problem in found)


@given(st.data())
def test_a_scenario_with_a_piece_cut_out_is_sound_or_a_scenario_error(data: st.DataObject) -> None:
    """No half of a scenario makes a check fall over."""
    begin = data.draw(st.integers(0, len(SOUND)))
    text = SOUND[:begin] + SOUND[data.draw(st.integers(begin, len(SOUND))) :]
    with contextlib.suppress(ScenarioError):
        load(text + "\n").resolved()


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["A", "B:1", "1s", "none"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(["from", "to"]), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(
        [
            "machines",
            "machines.A",
            "machines.A.count",
            "machines.A.swap",
            "machines.A.swap.server",
            "machines.A.programs",
            "machines.A.programs.1",
            "machines.A.programs.1.service",
            "machines.A.programs.1.service.port",
            "machines.B.programs.0.flood.to",
            "network",
            "network.latency",
            "network.links",
            "safeguards",
            "reserve",
            "timeline",
            "timeline.0",
            "timeline.0.partition",
            "timeline.0.slow",
            "expect",
        ]
    ),
    junk,
)
def test_no_value_anywhere_is_more_than_an_error(path: str, value: object) -> None:
    """The checks read what the models have not accepted yet, and must bear all of it."""
    with contextlib.suppress(ScenarioError):
        load(SOUND, overrides=[(path, value)]).resolved()


class TestOverrides:
    """`--set k=v`, and the keywords of load."""

    def test_a_value_is_yaml_and_replaces_what_the_file_says(self) -> None:
        """Values with units, presets and lists can be set, whether or not the file has them."""
        scenario = load(
            EXAMPLE,
            overrides=["machines.A.memory=1GiB", "stop=30s", "network.loss=1%", "safeguards=[reserve, -slab-rule]"],
        )
        resolved = scenario.resolved()
        assert resolved.machines[0].memory == gib(1)
        assert resolved.stop_ns == seconds(30)
        assert resolved.network.link.loss_ppm == 10_000
        assert not resolved.machines[0].policy.slab_rule
        assert resolved.machines[0].policy.drop_at_demux

    def test_an_item_of_a_list_is_named_by_its_number(self) -> None:
        """machines.A.programs.0 is the first program of A."""
        resolved = load(EXAMPLE, overrides=["machines.A.programs.0.rank.touch=1MiB"]).resolved()
        assert resolved.machines[0].programs[0][1]["touch"] == mib(1)

    def test_a_key_with_dots_in_it_can_be_named(self) -> None:
        """A user's own program has dots in its name."""
        text = sound_with("- rank:", "- programs:Fails: {after: 1s}\n      - rank:")
        path = "machines.A.programs.0.programs:Fails.after"
        [own, *_] = load(text, overrides=[f"{path}=2s"]).resolved().machines[0].programs
        assert own == ("programs:Fails", {"after": seconds(2)})

    def test_pairs_and_keywords_take_values_as_they_are(self) -> None:
        """A caller in Python gives values, not texts of YAML."""
        scenario = load(EXAMPLE, overrides=[("seed", 7)], timeline=[], safeguards="reserve")
        assert scenario.seed == 7
        assert scenario.resolved().timeline == ()
        assert [claim.text for claim in scenario.expectations] == ["A is recovered"]

    def test_a_value_given_by_the_caller_stays_as_it_is(self) -> None:
        """A later override does not reach into the caller's own data."""
        network = {"latency": "1ms"}
        load(EXAMPLE, overrides=[("network", network), "network.latency=2ms"])
        assert network == {"latency": "1ms"}

    @pytest.mark.parametrize(
        ("override", "message", "hint"),
        [
            ("machines.A.memory=1gb", '"gb" in "1gb" is no unit of size', "write 1GB"),
            ("machines.D.memory=1GiB", 'no machine "D"', "known are A, B, C"),
            ("machines.A.memroy=1GiB", 'unknown key "memroy"', '"memory"'),
            ("machines.A.programs.7.rank.touch=1MiB", 'no item "7"', "0 to 1"),
            ("machines.A.programs.first=1", 'no item "first"', "0 to 1"),
            ("stop.it=1s", "stop has no words in it", "a key of a mapping"),
            ("stop=60", '"60" has no unit', "60s"),
            ("stop=", "stop has no value", "write one"),
            ("stop", "there is no =", "--set stop=VALUE"),
            ("stop=[", "YAML", "check the brackets"),
            ("reserve={pages: 1, pages: 2}", "a second time", "keep one"),
            ("safeguards=resreve", 'no safeguard "resreve"', '"reserve"'),
            ("machines.A.swap={server: C}", '"size" is missing', "size: 2GiB"),
            ("timeline=[{at: 5s, cut: {from: C, to: D}, for: ever}]", 'no machine "D"', "known are"),
        ],
    )
    def test_a_mistake_is_placed_at_the_override(self, override: str, message: str, hint: str) -> None:
        """The place of a problem in an override is the override."""
        [problem] = problems_of(EXAMPLE, overrides=[override])
        assert str(problem).startswith(f"--set {override}:1:1: ")
        assert message in problem.message
        assert hint in problem.hint

    def test_mistakes_of_file_and_overrides_are_reported_together(self) -> None:
        """First those of the file."""
        found = problems_of(BROKEN / "five-errors.yaml", overrides=["seed=-1"])
        assert [Path(one.file).name for one in found] == ["five-errors.yaml"] * 5 + ["--set seed=-1"]


class TestResolved:
    """The settings that everything is built from."""

    def test_the_example_of_the_argument(self) -> None:
        """Three machines, one outage: A swaps to C and serves, B floods, C keeps A's pages."""
        resolved = load(EXAMPLE).resolved()
        a, b, c = resolved.machines
        assert (resolved.title, resolved.seed) == ("three machines, one outage", 1)
        assert (resolved.stop_ns, resolved.stall_after_ns) == (seconds(60), seconds(1))
        assert [one.name for one in (a, b, c)] == ["A", "B", "C"]
        assert [one.index for one in (a, b, c)] == [0, 1, 2]
        assert a.swap == Swap(
            server=2,
            transport="nfs",
            size=gib(2),
            in_flight=16,
            readahead=8,
            timeout_ns=ms(1100),
            nbd_timeout_ns=None,
            request_pages=1,
            spread=None,
            proxied=False,
        )
        assert a.programs == (
            (
                "rank",
                {
                    "working_set": mib(640),
                    "touch": mib(32),
                    "compute": ms(20),
                    "pattern": "cyclic",
                    "access": "write",
                    "start": "warm",
                    "exchange": "none",
                    "message": None,
                    "steps": None,
                    "unkillable": False,
                    "io_flusher": False,
                    "text": None,
                    "start_ns": 0,
                    "realtime": False,
                },
            ),
            (
                "service",
                {
                    "protocol": "udp",
                    "port": 9000,
                    "sockets": 64,
                    "work": 0,
                    "buffer": None,
                    "pages": 64,
                    "lock": False,
                    "io_flusher": False,
                    "unkillable": False,
                    "text": None,
                    "realtime": False,
                    "reads": "always",
                },
            ),
        )
        assert b.programs == (
            (
                "flood",
                {
                    "to": [0],
                    "port": 9000,
                    "sockets": 64,
                    "flows": 64,
                    "protocol": "udp",
                    "rate": 100_000_000,
                    "payload": 1472,
                    "fragments": "whole",
                    "link": "ipv4",
                    "io_flusher": False,
                    "train": ms(100),
                    "burst": False,
                    "start_ns": seconds(5),
                    "end_ns": None,
                },
            ),
        )
        assert c.programs == (
            (
                "swap-server",
                {
                    "disk_latency": us(200),
                    "disk_bandwidth": 100_000_000,
                    "queue": 128,
                    "pages": None,
                    "lock": False,
                    "realtime": False,
                    "file": None,
                    "memory": None,
                    "full": "evict",
                    "socket": "unix",
                    "io_flusher": False,
                },
            ),
        )
        assert resolved.timeline == (Fault("partition", {"groups": [[2], [0, 1]]}, seconds(5), seconds(15)),)

    def test_a_machine_that_says_nothing_has_every_default(self) -> None:
        """The defaults of a machine and of the network."""
        resolved = load("title: t\nstop: 1s\nmachines: {A: }\n").resolved()
        assert resolved.machines == (
            MachineSettings(
                name="A",
                index=0,
                memory=mib(512),
                kernel="linux-2.6.22",
                policy=Policy(),
                reserve_pages=None,
                reserve_buffers=None,
                min_free=None,
                cpus=1,
                nic_rate_bps=1_000_000_000,
                nic_ring=256,
                nic_refill="e1000",
                nic_softirq_ns=0,
                files=Files(clean=0, text=0, dirty=0, disk_latency_ns=ms(5), disk_bandwidth=50_000_000),
                tcp_mem=None,
                udp_mem=None,
                swap=None,
                programs=(),
                seed=1,
                stall_after_ns=seconds(1),
                framing=38,
                mtu=1500,
                arp=False,
            ),
        )
        link = LinkSettings(
            latency_ns=us(100),
            jitter_ns=0,
            bandwidth_bps=None,
            queue=None,
            loss_ppm=0,
            duplicate_ppm=0,
            reorder_ppm=0,
            corrupt_ppm=0,
        )
        assert resolved.network == NetworkSettings(link, (), None)

    def test_a_folder_keeps_it_as_plain_data(self) -> None:
        """What goes through JSON comes back the same; records are mappings under the names of their fields."""
        resolved = load(EXAMPLE).resolved()
        told = resolved.as_json()
        assert json.loads(json.dumps(told)) == told
        assert told["machines"][0]["swap"]["in_flight"] == 16
        assert told["timeline"][0]["verb"] == "partition"

    def test_it_can_be_sent_to_another_process(self) -> None:
        """Actors on Ray get it pickled."""
        resolved = load(EXAMPLE).resolved()
        assert pickle.loads(pickle.dumps(resolved)) == resolved

    def test_a_key_that_no_settings_have_is_an_error_of_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It would have no effect, and nobody would be told."""

        class WithMore(models.Nic):
            colour: str = "red"

        machine = models.Machine(nic=WithMore())
        words = load(EXAMPLE).words
        with pytest.raises(TypeError, match="MachineSettings has 0 fields for what a scenario calls nic_colour"):
            resolve(words.model_copy(update={"machines": {"A": machine}, "timeline": []}))

    def test_the_ring_is_the_drivers_own_unless_it_is_said(self) -> None:
        """256 descriptors for e1000, 200 for tg3."""
        text = "title: t\nstop: 1s\nmachines: {A: {nic: {refill: tg3}}, B: {nic: {ring: 16}}}\n"
        assert [machine.nic_ring for machine in load(text).resolved().machines] == [200, 16]

    def test_counted_machines_are_numbered_and_their_name_means_all_of_them(self) -> None:
        """In floods, faults, links and expectations A is A0, A1 and A2."""
        text = sound_with("  A:\n", "  A:\n    count: 3\n")
        text = text.replace(
            "stop:", "network: {links: [{from: A, to: C, latency: 1ms}, {from: A1, to: C, loss: 1%}]}\nstop:"
        )
        text = text.replace("partition: [C]", "cut: {from: C, to: A}")
        scenario = load(text)
        resolved = scenario.resolved()
        assert resolved.names == ["A0", "A1", "A2", "B", "C"]
        assert resolved.machines[3].programs[0][1]["to"] == [0, 1, 2]
        assert resolved.timeline[0].args == {"from": [4], "to": [0, 1, 2]}
        slow = replace(resolved.network.link, latency_ns=ms(1))
        assert resolved.network.links == (
            DirectedLink(0, 4, slow),
            DirectedLink(1, 4, replace(slow, loss_ppm=10_000)),
            DirectedLink(2, 4, slow),
        )
        assert [claim.machines for claim in scenario.expectations] == [("A0", "A1", "A2")]

    def test_a_machines_own_words_go_before_those_of_the_scenario(self) -> None:
        """Safeguards as a whole, the reserve word by word."""
        text = sound_with("    swap:", "    safeguards: [slab-rule]\n    reserve: {buffers: 3}\n    swap:")
        a, b, _ = load(text, safeguards="reserve", reserve={"pages": 100, "buffers": 9}).resolved().machines
        assert (a.policy, a.reserve_pages, a.reserve_buffers) == (Policy(slab_rule=True), 100, 3)
        assert b.policy == Policy.of(safeguards.PRESETS["reserve"].switches)
        assert (b.reserve_pages, b.reserve_buffers) == (100, 9)

    @pytest.mark.parametrize(("written", "size"), [("20%", gib(1) // 5), ("2896KiB", kib(2896)), ("none", None)])
    def test_the_minimum_of_free_memory_is_a_size_or_a_share(self, written: str, size: int | None) -> None:
        """A share is of the machine's memory."""
        text = f"title: t\nstop: 1s\nmachines: {{A: {{memory: 1GiB, min_free: {written}}}}}\n"
        assert load(text).resolved().machines[0].min_free == size

    def test_a_flood_goes_to_the_sockets_from_its_port_on(self) -> None:
        """A flood to the third of four sockets has two to go to, and as many flows unless it says otherwise."""
        one = load(sound_with('to: "A:9000"', 'to: "A:9002"')).resolved().machines[1].programs[0][1]
        two = load(sound_with('to: "A:9000"', "to: A, port: 9000, flows: 9, from: 1s, for: 2s")).resolved()
        settings = two.machines[1].programs[0][1]
        assert (one["port"], one["sockets"], one["flows"]) == (9002, 2, 2)
        assert (settings["port"], settings["sockets"], settings["flows"]) == (9000, 4, 9)
        assert (settings["start_ns"], settings["end_ns"]) == (seconds(1), seconds(3))

    @pytest.mark.parametrize(
        ("fault", "verb", "args"),
        [
            ("partition: [[A], [B, C]]", "partition", {"groups": [[0], [1, 2]]}),
            ("partition: [[A], [B]]", "partition", {"groups": [[0], [1], [2]]}),
            ("partition: [A, B]", "partition", {"groups": [[0, 1], [2]]}),
            ("cut: {from: A, to: C}", "cut", {"from": [0], "to": [2]}),
            ("hold: {from: A, to: C}", "hold", {"from": [0], "to": [2], "only": None}),
            ("hold: {from: A, to: C, only: page-in}", "hold", {"from": [0], "to": [2], "only": "page-in"}),
            (
                "slow: {from: A, to: C, latency: 1s, bandwidth: 1kbit/s}",
                "slow",
                {"from": [0], "to": [2], "latency_ns": seconds(1), "jitter_ns": None, "bandwidth_bps": 1000},
            ),
            ("lossy: {from: A, to: C, rate: 50%}", "lossy", {"from": [0], "to": [2], "rate_ppm": 500_000}),
            ("duplicate: {from: A, to: C, rate: 1%}", "duplicate", {"from": [0], "to": [2], "rate_ppm": 10_000}),
            ("reorder: {from: A, to: C, rate: 0.1%}", "reorder", {"from": [0], "to": [2], "rate_ppm": 1000}),
            ("corrupt: {from: A, to: C, rate: 0.1%}", "corrupt", {"from": [0], "to": [2], "rate_ppm": 1000}),
            ("crash: C", "crash", {"machines": [2]}),
            ("pause: B", "pause", {"machines": [1]}),
            ("freeze: A", "freeze", {"machines": [0], "programs": [0, 1]}),
            ("freeze: A.service", "freeze", {"machines": [0], "programs": [1]}),
            (
                "slow-disk: {machine: C, latency: 50ms}",
                "slow-disk",
                {"machines": [2], "latency_ns": ms(50)},
            ),
        ],
    )
    def test_faults_name_machines_by_index(self, fault: str, verb: str, args: dict[str, object]) -> None:
        """Groups cover all machines; ends are lists, since a name may mean several."""
        [resolved] = load(sound_with("partition: [C], for: 10s", f"{fault}, for: ever")).resolved().timeline
        assert resolved == Fault(verb, args, seconds(5), None)

    def test_settings_of_a_users_program_become_whole_numbers(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Texts that are quantities do, wherever they stand; other texts stay."""
        (tmp_path / "mine_for_test.py").write_text(
            "class Echo:\n"
            "    def __init__(self, **settings): ...\n"
            "    def run(self, system): yield system.sleep_until(1)\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        text = sound_with(
            "- rank:", "- mine_for_test:Echo: {every: 1s, sizes: [4KiB, 7], to: A, deep: {share: 5%}}\n      - rank:"
        )
        [own, *_] = load(text).resolved().machines[0].programs
        assert own[0] == "mine_for_test:Echo"
        assert own[1] == {"every": seconds(1), "sizes": [4096, 7], "to": "A", "deep": {"share": 50_000}}

    def test_a_users_module_that_fails_is_an_error_of_the_input(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever a module does when it is imported is reported with its place."""
        (tmp_path / "fails_for_test.py").write_text("1 / 0\n")
        monkeypatch.syspath_prepend(tmp_path)
        [problem] = problems_of(sound_with("- rank:", "- fails_for_test:Echo: {}\n      - rank:"))
        assert "ZeroDivisionError" in problem.message
        assert "fails_for_test" not in sys.modules


class TestScenario:
    """What a scenario knows beside its data."""

    def test_it_keeps_its_text_and_path(self) -> None:
        """A text has no path."""
        assert load(EXAMPLE).path == EXAMPLE
        assert load(EXAMPLE, seed=7).source_text == EXAMPLE.read_text()
        assert load(SOUND).path is None

    @pytest.mark.parametrize(
        ("chosen", "texts"), [("none", ["A is wedged"]), ("reserve", ["A is recovered"]), (["reserve"], [])]
    )
    def test_the_expectations_of_the_preset_are_in_force(self, chosen: object, texts: list[str]) -> None:
        """A list of switches is no preset, so none of the lists for presets is about it."""
        assert [claim.text for claim in load(EXAMPLE, safeguards=chosen).expectations] == texts

    def test_a_list_of_expectations_is_always_in_force(self) -> None:
        """Whatever the safeguards are."""
        assert [claim.text for claim in load(SOUND, safeguards=["slab-rule"]).expectations] == ["A is wedged"]

    def test_the_schema_describes_values_as_they_are_written(self) -> None:
        """Quantities are texts with a pattern and an example; nothing is ever null."""
        schema = Scenario.schema()
        assert schema["required"] == ["title", "stop", "machines"]
        assert schema["properties"]["stop"]["type"] == "string"
        assert schema["properties"]["stop"]["examples"] == ["60s"]
        assert schema["$defs"]["Network"]["properties"]["latency"]["default"] == "100us"
        assert '"null"' not in json.dumps(schema)


class TestSafeguards:
    """The table of switches and presets."""

    def test_presets_are_made_of_switches(self) -> None:
        """No preset names a switch that does not exist."""
        for preset in safeguards.PRESETS.values():
            assert preset.switches <= set(safeguards.SWITCHES)

    def test_no_name_means_two_things(self) -> None:
        """A name in a list means one thing: a preset that is called like a switch is that switch alone."""
        for name in set(safeguards.PRESETS) & set(safeguards.SWITCHES):
            assert safeguards.PRESETS[name].switches == {name}

    def test_minus_turns_off_wherever_it_stands(self) -> None:
        """The order of a list does not matter."""
        off_last = safeguards.resolve(["reserve", "-slab-rule"])
        assert off_last == safeguards.resolve(["-slab-rule", "reserve"])
        assert off_last == safeguards.PRESETS["reserve"].switches - {"slab-rule"}

    def test_an_unknown_name_is_answered_with_the_nearest(self) -> None:
        """As for unknown keys."""
        with pytest.raises(safeguards.UnknownSafeguard, match='did you mean "tx-bound"'):
            safeguards.resolve(["tx-bond"])
