"""A capture of a run is what other programs take it for: tshark and python-pcapng read it, and find what we counted."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from exported import ODD, SCENES, heard, new_folder, run, tshark
from pcapng import FileScanner
from pcapng.blocks import EnhancedPacket, InterfaceDescription

from netswap.cluster.export import exports, headers, pcapng
from netswap.cluster.export.exports import Asked
from netswap.cluster.export.window import Window
from netswap.protocol.tcp import SYN
from netswap.protocol.units import milliseconds

pytestmark = pytest.mark.xdist_group("exports")  # its runs are made once
ALL = 1 << 40
NBD = [name for name in SCENES if name.startswith("nbd")]


@cache
def capture(name: str, snap: int = 0) -> Path:
    """A whole run as a capture."""
    path = new_folder() / "frames.pcapng"
    original = run(name)
    exports.to_pcapng(original, Asked(path, Window(0, original.end_ns), snap=snap, most=ALL))
    return path


def fields(path: Path, *names: str, only: str = "") -> list[list[str]]:
    """These fields of each packet."""
    options = ["-T", "fields", *(word for name in names for word in ("-e", name))]
    return [line.split("\t") for line in tshark(path, *options, *(["-Y", only] if only else []))]


@pytest.mark.parametrize("name", [*SCENES, *ODD])
def test_each_frame_that_was_sent_stands_on_the_interface_of_its_link(name):
    names = run(name).resolved.names
    seen = Counter(row[0] for row in fields(capture(name), "frame.interface_name"))
    links = {f"{names[source]}>{names[to]}": counts.total() for (source, to), counts in heard(name).links.items()}
    assert seen == links


ODD_AND_SHORT = [pytest.param(name, pcapng.SNAP, marks=pytest.mark.slow) for name in ODD]


@pytest.mark.parametrize(
    ("name", "snap"),
    [*((name, 0) for name in (*SCENES, *ODD)), *((name, pcapng.SNAP) for name in SCENES), *ODD_AND_SHORT],
)
def test_no_packet_is_malformed_and_no_checksum_wrong(name, snap):
    """But for what tshark says of a segment that is sent again within milliseconds.

    It gives that to its reassembly once more, which has the same bytes already: as in any capture
    that is made at a sender, before the loss.
    """
    again = "tcp.analysis.out_of_order or tcp.analysis.fast_retransmission"
    bad = " or ".join(f"{protocol}.checksum.status == 0" for protocol in ("ip", "tcp", "udp"))
    assert tshark(capture(name, snap), "-Y", f"(_ws.malformed and not ({again})) or {bad}") == []


@pytest.mark.parametrize("name", SCENES)
def test_the_fates_are_those_that_were_told(name):
    names = run(name).resolved.names
    comments = Counter(row[0].split("; ")[0].split(", ")[0] for row in fields(capture(name), "frame.comment"))
    told = heard(name)
    for (machine, cause), count in told.dropped.items():
        place = "on the way to" if cause in ("partition", "link-loss", "link-queue") else "at"
        assert comments[f"{cause} {place} {names[machine]}"] == count
    for machine, count in told.delivered.items():
        assert comments[f"delivered at {names[machine]}"] == count


@pytest.mark.parametrize("name", NBD)
def test_the_analysis_of_tcp_finds_exactly_our_retransmissions(name):
    """By their kinds; on a link with loss some come within a round trip, which it guesses to be late and not sent again."""
    kinds = ["retransmission", "fast_retransmission", "spurious_retransmission"]
    if "loss" in name:
        kinds.append("out_of_order")
    again = " or ".join(f"tcp.analysis.{kind}" for kind in kinds)
    found = tshark(capture(name), "-Y", f"({again}) and tcp.len > 0")
    assert len(found) == heard(name).again["tcp"] > 0
    assert tshark(capture(name), "-Y", "tcp.analysis.lost_segment or tcp.analysis.ack_lost_segment") == []


def from_hex(text):
    """A number as tshark prints addresses."""
    return int(text, 16)


@pytest.mark.parametrize("name", ["nbd", "nbd, 2.6.22"])
def test_the_requests_of_nbd_are_recognised(name):
    """Those of which the last byte has left, each once: what TCP sends again is no request more.

    On a link with loss tshark's reassembly errs, as above, and so does its count.
    """
    asked = {message for frame in heard(name).segments if frame[8] == 10809 for _, message in frame[11][7]}
    seen = Counter()
    for types, offsets, lengths in fields(
        capture(name), "nbd.type", "nbd.from", "nbd.len", only="nbd.magic == 0x25609513"
    ):
        seen.update(zip(types.split(","), map(from_hex, offsets.split(",")), lengths.split(","), strict=True))
    sent = Counter((str(kind), page * 4096, "4096") for kind, _, page, _ in asked)
    assert seen == sent


def test_calls_and_replies_of_nfs_belong_together():
    """Each reply is found to answer a call; what is asked again has the same number."""
    path = capture("nfs")
    calls = Counter(row[0] for row in fields(path, "nfs.procedure_v3", only="rpc.msgtyp == 0"))
    told = heard("nfs")
    expected = {"6": told.pages["swap", False], "7": told.pages["swap", True]}
    assert calls.total() == sum(expected.values()) + told.again["nfs"]
    assert tshark(path, "-Y", "rpc.msgtyp == 1 and not nfs") == []
    assert tshark(path, "-Y", "rpc.msgtyp == 0 and not nfs.fhandle") == []


def test_fragments_are_put_together_to_the_datagrams_of_the_flood():
    lengths = {row[0] for row in fields(capture("nfs"), "udp.length", only="udp.dstport >= 9000")}
    assert lengths == {str(4000 + 8)}


def test_a_short_snap_length_leaves_the_true_lengths():
    path = capture("nfs", pcapng.SNAP)
    rows = fields(path, "frame.len", "frame.cap_len")
    assert all(int(kept) == min(int(length), pcapng.SNAP) for length, kept in rows)
    assert [row[0] for row in rows] == [row[0] for row in fields(capture("nfs"), "frame.len")]


def test_times_are_nanoseconds_in_order_and_python_pcapng_reads_them():
    with capture("nbd").open("rb") as file:
        found = list(FileScanner(file))
    assert all(one.options["if_tsresol"] == b"\t" for one in found if isinstance(one, InterfaceDescription))
    times = [(one.timestamp_high << 32) + one.timestamp_low for one in found if isinstance(one, EnhancedPacket)]
    first = heard("nbd").segments[0]
    assert times == sorted(times)
    assert first[11][1] == SYN
    assert times[0] == first[1]


def test_a_window_and_a_link_have_their_frames_and_no_others(tmp_path):
    original = run("nbd")
    window = Window(milliseconds(5), milliseconds(25))
    path = tmp_path / "frames.pcapng"
    exports.to_pcapng(original, Asked(path, window, links=((0, 2),), most=ALL))
    inside = [
        row
        for row in fields(capture("nbd"), "frame.time_epoch", "frame.interface_name", "frame.len", "frame.comment")
        if window.has(round(float(row[0]) * 1e9)) and "B" not in row[1]
    ]
    assert fields(path, "frame.time_epoch", "frame.interface_name", "frame.len", "frame.comment") == inside
    assert len(inside) > 100


def test_a_capture_that_would_be_too_large_is_sampled_and_says_so(tmp_path):
    """The flood goes first; of what the swap says nothing is left out while that fits."""
    original = run("nfs")
    path = tmp_path / "frames.pcapng"
    whole = capture("nfs", pcapng.SNAP)
    swap = len(tshark(whole, "-Y", "nfs or ip.addr == 10.0.0.3"))
    most = whole.stat().st_size * 93 // 100
    told = exports.to_pcapng(original, Asked(path, Window(0, original.end_ns), snap=pcapng.SNAP, most=most))
    assert told.note.startswith("sampled: of the udp frames of each link 1 in ")
    assert path.stat().st_size < most * 1.1
    assert len(tshark(path, "-Y", "nfs or ip.addr == 10.0.0.3")) == swap
    with path.open("rb") as file:
        assert next(iter(FileScanner(file))).options["opt_comment"] == told.note


def test_checksums_are_of_the_internet():
    """The example of RFC 1071, section 3: the words 0001 f203 f4f5 f6f7 add up to ddf2."""
    assert headers.sum_of(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
