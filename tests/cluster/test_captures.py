"""A flood sends a capture again: each packet leaves when it was captured, and what cannot be sent is said."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from captured import ETHERNET, A, B, C, block, fragments, frame, ipv4, pcap, pcapng, udp

from netswap.actors.trace import Frames, Trace
from netswap.cluster.export import exports
from netswap.cluster.export.exports import Asked
from netswap.cluster.export.folder import opened
from netswap.cluster.export.window import Window
from netswap.cluster.lab import Cluster, open_cluster
from netswap.cluster.lab.runs import How, write_result
from netswap.cluster.lab.runs import run as run_scenario
from netswap.cluster.scenario import ScenarioError, load
from netswap.protocol.frame import F_BODY, F_COUNT, F_KIND, F_PORT, F_TAIL, F_WIRE, FRAGMENT
from netswap.protocol.units import microseconds, milliseconds

SCENARIO = """
title: a capture, sent again
stop: {stop}
kernel: linux-6.11
network: {{latency: 100us, {network}}}
machines:
  A:
    {count}
    programs: [service: {{port: 9000, sockets: 4}}]
  B:
    programs:
      - flood: {{pcap: busy.pcap, {flood}}}
timeline: {timeline}
expect: []
"""
WIRE = 66
"""Bytes around a payload: UDP 8, IP 20, Ethernet 38."""


class Arrival(NamedTuple):
    """A frame as it comes to the card of a machine."""

    at_ns: int
    machine: int
    wire: int
    port: int
    fragment: int | None


class Heard(Trace):
    """Notes each frame that a card receives, and the trains in which they left."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.left: list[int] = []
        self.trains: list[int] = []

    def link_sent(self, frames: Frames) -> None:
        self.trains.append(frames.length)
        self.left += [frames.at_ns + place * frames.gap_ns for place in range(frames.length)]

    def frames_received(self, machine: int, frames: Frames) -> None:
        one, last = frames.frame, frames.frame[F_COUNT] - 1
        for place in range(frames.length):
            index = frames.first + place
            fragment = None
            if one[F_KIND] & FRAGMENT:
                step = one[F_BODY][1]
                fragment = step - 1 if step else index
            wire = one[F_TAIL] if index == last else one[F_WIRE]
            body = one[F_BODY][2] if one[F_KIND] & FRAGMENT else one[F_BODY]
            port = one[F_PORT] + (body[2] + index) % body[3] % body[4] if fragment is None else one[F_PORT]
            self.arrivals.append(Arrival(frames.at_ns + place * frames.gap_ns, machine, wire, port, fragment))


Run = Callable[..., tuple[Cluster, Heard]]


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[Run]:
    """Run the scenario on a capture's bytes."""
    clusters = []

    def run(data: bytes, flood: str = 'to: "A:9000"', **words: Any) -> tuple[Cluster, Heard]:
        heard = Heard()
        clusters.append(open_cluster(scenario(tmp_path, data, flood, **words), trace=heard))
        return clusters[-1].run(), heard

    yield run
    for one in clusters:
        one.close()


def scenario(folder: Path, data: bytes, flood: str = 'to: "A:9000"', **words: Any) -> Path:
    """The scenario's file, beside the capture."""
    (folder / "busy.pcap").write_bytes(data)
    filled = {"stop": "1s", "network": "mtu: 1500B", "count": "cpus: 1", "timeline": "[]", **words}
    path = folder / "again.yaml"
    path.write_text(SCENARIO.format(flood=flood, **filled))
    return path


def problems(path: Path) -> list[str]:
    """What is wrong with a scenario."""
    with pytest.raises(ScenarioError) as caught:
        load(path)
    return [f"{one.line}:{one.column}: {one.message}" for one in caught.value.problems]


TIMES = [0, 1_000_001, 1_500_000, 40_000_003, 40_100_000]
SIZES = [1472, 1, 700, 1472, 100]
BUSY = [(1_700_000_000 * 10**9 + at, frame(size)) for at, size in zip(TIMES, SIZES, strict=True)]
FORMATS = {
    "pcap, ns": pcap(BUSY),
    "pcap, ns, big endian": pcap(BUSY, endian=">"),
    "pcapng": pcapng(BUSY),
    "pcapng, big endian": pcapng(BUSY, endian=">"),
    "pcap, headers alone": pcap(BUSY, snap=42),
    "pcapng, headers alone": pcapng(BUSY, snap=42),
    "pcap, packed": gzip.compress(pcap(BUSY)),
    "pcapng, packed": gzip.compress(pcapng(BUSY)),
    "pcap, nobody's checksum": pcap(BUSY, link=0x50000001),
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_packet_leaves_when_it_was_captured(replay, name):
    """The first is given to the card at `from` and leaves when its bits have; all others as much later as captured."""
    _, heard = replay(FORMATS[name], 'to: "A:9000", from: 10ms')
    first_ns = milliseconds(10) + (1472 + WIRE) * 8
    assert heard.left == [first_ns + at for at in TIMES]
    assert [one.at_ns for one in heard.arrivals] == [left + microseconds(100) for left in heard.left]
    assert [one.wire for one in heard.arrivals] == [size + WIRE for size in SIZES]


@pytest.mark.parametrize("data", [pcap(BUSY, ns=False), pcap(BUSY, ns=False, endian=">"), pcapng(BUSY, tsresol=6)])
def test_a_capture_in_microseconds_is_sent_in_microseconds(replay, data):
    _, heard = replay(data)
    assert [left - heard.left[0] for left in heard.left] == [at // 1000 * 1000 for at in TIMES]


def test_times_in_powers_of_two_are_rounded_down_to_nanoseconds(replay):
    _, heard = replay(pcapng(BUSY, tsresol=0x80 | 20))
    ticks = [at * 2**20 // 10**9 for at, _ in BUSY]
    assert [left - heard.left[0] for left in heard.left] == [
        (one * 10**9 >> 20) - (ticks[0] * 10**9 >> 20) for one in ticks
    ]


IP = ipv4(udp(100))
LINKS = {
    "Ethernet": (1, ETHERNET + IP),
    "a VLAN": (1, ETHERNET[:12] + bytes.fromhex("8100000a0800") + IP),
    "two VLANs": (1, ETHERNET[:12] + bytes.fromhex("88a8000a8100000b0800") + IP),
    "cooked": (113, bytes(14) + b"\x08\x00" + IP),
    "cooked, 2": (276, b"\x08\x00" + bytes(18) + IP),
    "raw": (101, IP),
    "raw of BSD": (12, IP),
    "IPv4": (228, IP),
    "null": (0, b"\x02\0\0\0" + IP),
    "null, another host's": (0, b"\0\0\0\x02" + IP),
    "loop": (108, b"\0\0\0\x02" + IP),
}


@pytest.mark.parametrize("name", LINKS)
def test_what_lies_below_ip_makes_no_difference(replay, name):
    link, data = LINKS[name]
    _, heard = replay(pcap([(0, data)], link=link))
    assert [(one.wire, one.port) for one in heard.arrivals] == [(100 + WIRE, 9000)]


PORTS = [pcap([(at * 10**6, frame(100, port=port)) for at, port in enumerate((53, 4000, 53, 161, 5, 6, 4000))])]


@pytest.mark.parametrize(
    ("flood", "wanted"),
    [
        ('to: "A:9000"', [9000, 9001, 9000, 9002, 9003, 9000, 9001]),
        ("to: A", [9000, 9001, 9000, 9002, 9003, 9000, 9001]),
        ('to: "A:9002"', [9002, 9003, 9002, 9002, 9003, 9002, 9003]),
        ("to: A, ports: keep", [53, 4000, 53, 161, 5, 6, 4000]),
    ],
)
def test_ports_go_to_the_sockets_in_order_of_appearance_or_are_kept(replay, flood, wanted):
    cluster, heard = replay(PORTS[0], flood)
    assert [one.port for one in heard.arrivals] == wanted
    received = cluster["A"].counters["delivered"]
    assert received == (0 if "keep" in flood else len(wanted))


def test_only_packets_that_are_asked_for_are_sent_and_keep_their_times(replay):
    """Both directions of a capture, each in a flood of its own, stay in step."""
    both = pcap([(0, frame(100, ends=(A, B))), (10**6, frame(200)), (2 * 10**6, frame(300, ends=(C, A), port=9))])
    flood = 'to: "A:9000", only: {dst: %s%s}'
    wire_ns = 8 * (WIRE + 200)
    _, heard = replay(both, flood % (A, ""))
    assert heard.left == [10**6 + wire_ns, 2 * 10**6 + wire_ns]
    assert [one.wire for one in replay(both, flood % (A, ", port: 9"))[1].arrivals] == [300 + WIRE]
    assert [one.wire for one in replay(both, flood % (A, f", src: {B}"))[1].arrivals] == [200 + WIRE]


@pytest.mark.parametrize(
    ("speed", "ppm"), [("2", 2_000_000), ("0.5", 500_000), ("3", 3_000_000), ("1.000001", 1_000_001)]
)
def test_speed_divides_times_in_whole_numbers(replay, speed, ppm):
    _, heard = replay(FORMATS["pcap, ns"], f'to: "A:9000", speed: {speed}')
    assert [left - heard.left[0] for left in heard.left] == [at * 10**6 // ppm for at in TIMES]


def test_a_capture_is_repeated_after_the_mean_time_between_its_packets(replay):
    _, heard = replay(FORMATS["pcap, ns"], 'to: "A:9000", repeat: 3')
    period = TIMES[-1] + TIMES[-1] // (len(TIMES) - 1)
    assert [left - heard.left[0] for left in heard.left] == [
        number * period + at for number in range(3) for at in TIMES
    ]
    _, ever = replay(FORMATS["pcap, ns"], 'to: "A:9000", repeat: ever', stop="500ms")
    assert ever.left[:15] == heard.left
    assert ever.left[-1] > milliseconds(450)


def test_it_ends_when_its_time_is_over(replay):
    _, heard = replay(FORMATS["pcap, ns"], 'to: "A:9000", repeat: ever, for: 40050us')
    assert [left - heard.left[0] for left in heard.left] == TIMES[:4]


def test_a_card_that_is_slower_than_the_capture_sends_back_to_back(replay):
    """Two packets at one time: the second waits for the first, and the third is on time again."""
    _, heard = replay(pcap([(0, frame(1000)), (0, frame(1000)), (10**6, frame(1000))]))
    wire_ns = 8 * (1000 + WIRE)
    assert [left - heard.left[0] for left in heard.left] == [0, wire_ns, 10**6]


def test_packets_out_of_order_are_sent_in_order(replay):
    _, heard = replay(pcap([(3000_000, frame(3)), (0, frame(1)), (1000_000, frame(2))]))
    assert [one.wire - WIRE for one in heard.arrivals] == [1, 2, 3]


def test_equal_packets_at_equal_gaps_are_a_train_that_leaves_as_they_would_alone(replay):
    """The same times with a packet of another size in between, which no train can hold."""
    gap = 20_000
    even = [(number * gap, frame(200)) for number in range(1000)]
    _, train = replay(pcap(even))
    assert len(train.trains) == 1
    odd = sorted([*even, (500 * gap + 7000, frame(201))])
    _, apart = replay(pcap(odd))
    assert len(apart.trains) > 1
    assert train.left == [one.at_ns - microseconds(100) for one in apart.arrivals if one.wire == 200 + WIRE]
    assert train.left == [train.left[0] + number * gap for number in range(1000)]


def test_a_train_is_no_longer_than_a_floods(replay):
    _, heard = replay(pcap([(number * 10**6, frame(200)) for number in range(500)]))
    assert heard.trains == [100] * 5


def pieces(payload: int, ident: int, at_ns: int, gap_ns: int, **how: Any) -> list[tuple[int, bytes]]:
    """A datagram's fragments at equal gaps."""
    return [(at_ns + place * gap_ns, one) for place, one in enumerate(fragments(payload, ident=ident, **how))]


def test_fragments_make_a_datagram_again_in_whatever_order(replay):
    whole = pieces(4000, 1, 0, 10**5)
    backwards = [
        (at, one) for (at, _), (_, one) in zip(pieces(4000, 2, 10**6, 10**5), pieces(4000, 2, 0, 1)[::-1], strict=True)
    ]
    cluster, heard = replay(pcap([*whole, *backwards]))
    assert [one.fragment for one in heard.arrivals] == [0, 1, 2, 2, 1, 0]
    assert cluster["A"].counters["delivered"] == 6
    assert cluster["A"].programs["service 0"]["progress"] == 2
    assert [left - heard.left[0] for left in heard.left] == [0, 10**5, 2 * 10**5, 10**6, 11 * 10**5, 12 * 10**5]
    assert [one.wire for one in heard.arrivals[:3]] == [1538, 1538, 4000 + 8 - 2 * 1480 + 58]


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_datagram_that_misses_a_fragment_stays_incomplete(replay, missing):
    kept = [one for place, one in enumerate(pieces(4000, 1, 0, 10**5)) if place != missing]
    cluster, heard = replay(pcap(kept))
    assert len(heard.arrivals) == 2
    assert cluster["A"].counters["delivered"] == 0
    assert cluster["A"].counters["held"] == 2


@pytest.mark.parametrize("mtu", [1496, 1500, 1501, 1502, 1507, 9000])
@pytest.mark.parametrize("payload", [1473, 1475, 4000])
def test_fragments_that_another_mtu_made_are_sent_where_they_fit_the_grid(replay, payload, mtu):
    """1500 to 1507 have the same fragments of 1480 bytes; with another MTU there is nothing to be sent."""
    data = pcap([(0, frame(5)), *pieces(payload, 1, 10**6, 10**5)])
    cluster, heard = replay(data, network=f"mtu: {mtu}B, framing: ethernet")
    fits = 1500 <= mtu < 1508
    assert len(heard.arrivals) == 1 + len(fragments(payload, ident=1)) * fits
    assert cluster["A"].programs["service 0"]["progress"] == 1 + fits


def test_fragments_of_two_datagrams_with_one_number_are_not_mixed(replay):
    """The number comes round: the same fragment a second time begins another datagram."""
    first, second = pieces(4000, 1, 0, 1000), pieces(4000, 1, 10**6, 1000)
    cluster, _ = replay(pcap([*first[:1], *second]))
    assert cluster["A"].counters["delivered"] == 3
    assert cluster["A"].counters["held"] == 1


def test_first_fragments_alone_are_a_train(replay):
    kept = [pieces(4000, number, number * 10**5, 1)[0] for number in range(200)]
    cluster, heard = replay(pcap(kept))
    assert len(heard.trains) == 1
    assert len(heard.arrivals) == 200
    assert cluster["A"].counters["delivered"] == 0
    assert cluster["A"].counters["held"] == 200


def test_destinations_are_machines_of_a_counted_name_in_order_of_appearance(replay):
    packets = [(place * 10**6, frame(100, ends=(B, to))) for place, to in enumerate((C, A, C, "10.0.0.9"))]
    _, heard = replay(pcap(packets), count="count: 2")
    assert [one.machine for one in sorted(heard.arrivals)] == [0, 1, 0, 0]


def test_what_cannot_be_sent_is_counted_and_said(tmp_path):
    arp = ETHERNET[:12] + bytes.fromhex("0806") + bytes(28)
    ipv6 = ETHERNET[:12] + bytes.fromhex("86dd") + b"\x60" + bytes(39)
    tcp, icmp = (ETHERNET + ipv4(bytes(20), proto=number) for number in (6, 1))
    short = ETHERNET + ipv4(udp(100))[:18]
    lies = ETHERNET + ipv4(udp(100))[:60]
    odd = fragments(4000, ident=1, mtu=1400)
    data = pcap([(at, one) for at, one in enumerate([frame(9), arp, ipv6, tcp, tcp, icmp, short, lies, *odd])])
    loaded = load(scenario(tmp_path, data))
    (note,) = loaded.notes
    assert note.message == (
        "busy.pcap: 1 packets are sent again, and not 1 ARP, 1 ICMP, 1 IPv6, 2 TCP, 1 cut off within their headers, "
        "3 fragments for another MTU, 1 malformed"
    )
    assert note.line == 12


WRONG = {
    "nothing": (b"", "byte 0: the head of the capture is cut off after 0 of 4 bytes"),
    "no capture": (b"#!/bin/sh\n" * 9, "byte 0: 23212f62 begins no capture"),
    "a head cut off": (pcap(BUSY)[:20], "byte 4: the head of the capture is cut off after 16 of 20 bytes"),
    "a packet cut off": (pcap(BUSY)[:-1], "is cut off after 141 of 142 bytes"),
    "a packet's head cut off": (pcap(BUSY[:1])[: 24 + 9], "the head of a packet is cut off"),
    "a packet of 4 GB": (pcap([])[:24] + b"\0" * 8 + b"\xff" * 8, "byte 24: this is no head of a packet"),
    "a block cut off": (pcapng(BUSY)[:-2], "a block is cut off after 2 of 4 bytes"),
    "two lengths": (pcapng(BUSY)[:-1] + b"\x01", "this block says two lengths"),
    "no byte order": (
        pcapng(BUSY)[:8] + b"\0\0\0\0" + pcapng(BUSY)[12:],
        "byte 0: this section has no known byte order",
    ),
    "no interface": (
        pcapng([])[:28] + block("<", 6, bytes(20)),
        "byte 28: this packet is of an interface that has not been described",
    ),
    "no time": (pcapng([]) + block("<", 3, bytes(20)), "this packet has no time"),
    "a time that cannot be": (
        pcapng([(0, frame(9))])[:48] + pcapng([(1 << 63, frame(9))], tsresol=0)[48:],
        "a time that cannot be",
    ),
    "no packet": (pcap([]), "nothing in it can be sent: there is no packet at all"),
    "TCP alone": (pcap([(0, ETHERNET + ipv4(bytes(20), proto=6))]), "nothing in it can be sent: there is 1 TCP"),
    "a strange link": (pcap(BUSY, link=147), "nothing in it can be sent: there is 5 of link type 147"),
    "a jumbo frame": (pcap([(0, frame(8000))]), "byte 24: a packet of 8028 bytes is larger than network.mtu, 1500B"),
    "a packed file cut off": (b"\x1f\x8b\x08\0\0\0\0\0\0\0", "it is packed with gzip, and damaged or cut off"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_cannot_be_used_is_an_error_where_the_scenario_names_it(tmp_path, name):
    data, message = WRONG[name]
    (problem,) = problems(scenario(tmp_path, data))
    assert problem.startswith("12:23: busy.pcap: ")
    assert message in problem


@pytest.mark.parametrize("end", range(1, 700, 31))
def test_no_cut_leads_to_anything_but_one_error(tmp_path, end):
    """Or to the packets before it, where the cut lies between two."""
    for data in (pcap(BUSY[1:3]), pcapng(BUSY[1:3]), pcapng(BUSY[1:3], endian=">")):
        path = scenario(tmp_path, data[:end])
        if sound(path):
            continue
        assert len(problems(path)) == 1


def sound(path: Path) -> bool:
    """Whether a scenario loads; nothing but its errors may be raised."""
    try:
        load(path)
    except ScenarioError:
        return False
    return True


@pytest.mark.parametrize(
    ("flood", "message"),
    [
        ('to: "A:9000", rate: 1Mbit/s', '"rate" does not go together with pcap'),
        ('to: "A:9000", train: 1ms', '"train" does not go together with pcap'),
        ('to: "A:9000", speed: 0', "speed: 0 is out of range"),
        ('to: "A:9000", speed: 1.0000001', "speed: 1.0000001 is too exact"),
        ('to: "A:9000", speed: 2x', 'speed: "2x" is no number'),
        ('to: "A:9000", only: {dst: here}', '"here" is no IPv4 address'),
        ('to: "A:9000", ports: keep', "the capture's own ports are kept"),
        ('to: "A:7"', "no service listens on port 7 of A"),
        ("to: B", "B would flood itself"),
        ("to: D", 'there is no machine "D"'),
    ],
)
def test_words_that_do_not_fit_are_said(tmp_path, flood, message):
    assert message in "\n".join(problems(scenario(tmp_path, FORMATS["pcap, ns"], flood)))


def test_without_a_capture_its_words_are_errors_and_a_rate_is_needed(tmp_path):
    path = scenario(tmp_path, b"", 'to: "A:9000", speed: 2')
    path.write_text(path.read_text().replace("pcap: busy.pcap, ", ""))
    said = "\n".join(problems(path))
    assert '"rate" is missing in machines.B.programs.0.flood' in said
    assert '"payload" is missing in machines.B.programs.0.flood' in said
    assert '"speed" says how a pcap is played, and there is none' in said


def test_a_capture_at_one_time_cannot_be_repeated(tmp_path):
    path = scenario(tmp_path, pcap([(0, frame(1)), (0, frame(2))]), 'to: "A:9000", repeat: 2')
    assert "all of it is at one time" in problems(path)[0]


def test_an_absolute_path_is_taken_as_it_is(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    path = scenario(tmp_path, FORMATS["pcapng"])
    there = tmp_path / "elsewhere" / "other.pcap"
    (tmp_path / "busy.pcap").rename(there)
    path.write_text(path.read_text().replace("busy.pcap", str(there)))
    assert load(path).resolved().machines[1].programs[0][1]["recording"].path == str(there)


# -- the run and its folder ------------------------------------------------------------------------------------------------

MIXED = pcap(
    [
        *[(number * 50_000, frame(300)) for number in range(400)],
        *pieces(5000, 9, 20_500_000, 30_000),
        *pieces(5000, 10, 21_000_000, 30_000)[:-1],
        (22_000_000, frame(1, port=1)),
    ]
)


@pytest.mark.parametrize("timeline", ["[]", "[{at: 5ms, crash: B, for: 5ms}, {at: 30ms, pause: B, for: 5ms}]"])
def test_a_run_in_pieces_has_the_same_digest(tmp_path, timeline):
    path = scenario(tmp_path, MIXED, 'to: "A:9000", repeat: 3', timeline=timeline, stop="100ms")
    with open_cluster(path) as whole, open_cluster(path) as parts:
        whole.run()
        for _ in range(37):
            parts.run_for(milliseconds(2) + 1)
        assert parts.run().digest() == whole.digest()


def test_a_pause_of_the_sender_moves_all_that_follows(replay):
    _, heard = replay(FORMATS["pcap, ns"], timeline="[{at: 20ms, pause: B, for: 100ms}]")
    _, plain = replay(FORMATS["pcap, ns"])
    assert heard.left[:3] == plain.left[:3]
    (moved,) = {late - left for late, left in zip(heard.left[3:], plain.left[3:], strict=True)}
    assert milliseconds(79) < moved < milliseconds(81)


def finished(path: Path, folder: Path) -> Path:
    """The folder of a run."""
    write_result(folder, run_scenario(load(path), How(engine="inline"), folder, "netswap run"))
    return folder


def test_a_run_that_is_exported_as_a_capture_comes_again(tmp_path, replay):
    """Times, sizes, ports and fragments are the same at A, but for the moment at which it begins."""
    flood = tmp_path / "flood.yaml"
    text = SCENARIO.replace(
        "{{pcap: busy.pcap, {flood}}}", "{{{flood}}}\n      - flood: {{{second}}}\n      - flood: {{{third}}}"
    )
    filled = {"stop": "100ms", "network": "mtu: 1500B", "count": "cpus: 1", "timeline": "[]"}
    first = 'to: "A:9000", rate: 20Mbit/s, payload: 1000B, from: 10ms, for: 50ms'
    second = 'to: "A:9000", rate: 5Mbit/s, payload: 4000B, from: 13ms, for: 40ms'
    third = 'to: "A:9000", rate: 3Mbit/s, payload: 4000B, fragments: incomplete, from: 15ms, for: 40ms'
    flood.write_text(text.format(flood=first, second=second, third=third, **filled))
    original = opened(finished(flood, tmp_path / "run"))
    exports.to_pcapng(original, Asked(tmp_path / "frames.pcapng", Window(0, original.end_ns), most=1 << 30))
    heard = Heard()
    with open_cluster(flood, trace=heard) as cluster:
        delivered = cluster.run()["A"].counters["delivered"]
    again, second_heard = replay((tmp_path / "frames.pcapng").read_bytes(), 'to: "A:9000", from: 10ms', stop="100ms")
    assert len(heard.arrivals) > 140
    assert sorted(second_heard.arrivals) == sorted(heard.arrivals)
    assert again["A"].counters["delivered"] == delivered
    assert any(one.fragment for one in heard.arrivals)


def test_the_resolved_scenario_names_the_file_and_its_hash_and_no_contents(tmp_path):
    folder = finished(scenario(tmp_path, MIXED), tmp_path / "run")
    original = opened(folder)
    text = (folder / "resolved.json").read_text()
    recording = original.resolved.machines[1].programs[0][1]["recording"]
    assert recording.sha256 in text
    assert "packed" not in text
    assert original.resolved == load(tmp_path / "again.yaml").resolved()


def test_a_run_whose_capture_has_changed_is_not_opened(tmp_path):
    folder = finished(scenario(tmp_path, MIXED), tmp_path / "run")
    (tmp_path / "busy.pcap").write_bytes(FORMATS["pcapng"])
    with pytest.raises(ScenarioError, match=r"busy.pcap:1:1: it has changed since"):
        opened(folder)
    (tmp_path / "busy.pcap").unlink()
    with pytest.raises(ScenarioError, match="there is no such file"):
        opened(folder)


def test_the_same_capture_is_read_once(tmp_path):
    path = scenario(tmp_path, MIXED)
    first, second = (load(path).resolved().machines[1].programs[0][1]["recording"] for _ in range(2))
    assert first.packed is second.packed


def test_a_train_of_equal_packets_takes_few_bytes(tmp_path):
    data = pcap([(number * 20_000, frame(200)) for number in range(10_000)])
    recording = load(scenario(tmp_path, data)).resolved().machines[1].programs[0][1]["recording"]
    assert len(recording.packed) < 100


@pytest.mark.ray
@pytest.mark.parametrize("machines_per_actor", [1, 2])
def test_ray_gives_the_digest_of_this_process_without_the_file(netswap, tmp_path, machines_per_actor):
    """What is needed of the file travels with the settings: when the actors run, it is gone."""
    path = scenario(tmp_path, MIXED, 'to: "A:9000", repeat: 2', stop="100ms", count="count: 2")
    inline = netswap(path)
    actors = netswap(path, engine="ray", machines_per_actor=machines_per_actor)
    (tmp_path / "busy.pcap").unlink()
    assert actors.run().digest() == inline.run().digest()
