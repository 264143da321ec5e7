"""The recordings of the example are made here, so that everybody can see what is in them."""

from pathlib import Path

from captured import C, frame, pcap

FOLDER = Path(__file__).parents[2] / "examples" / "recorded"


def busy() -> bytes:
    """Forty bursts in 100 ms: ten full packets to each of 64 ports in turn, 15 us apart; and some back.

    Headers alone are kept, as `tcpdump -s 64` does.
    """
    packets = []
    for burst in range(40):
        for number in range(10):
            port = 5000 + (burst * 10 + number) % 64
            packets.append((burst * 2_500_000 + number * 15_000 + burst * 37, frame(1472, port=port)))
        packets.append((burst * 2_500_000 + 1_000_000, frame(64, ends=("10.0.0.1", C))))
    return pcap(packets, snap=64)


def solver() -> str:
    """Sweeps through 36 MiB, a quarter of a MiB every 5 ms, of which every fourth is only read."""
    lines = ["# TIME_NS PAGE [r|w]: two sweeps of a solver through 9216 pages\n"]
    for step in range(288):
        first = step * 64 % 9216
        lines.append(f"{step * 5_000_000} {first}-{first + 63} {'r' if step % 4 == 3 else 'w'}\n")
    return "".join(lines)


def test_the_recordings_of_the_example_are_those_made_here() -> None:
    assert (FOLDER / "busy.pcap").read_bytes() == busy()
    assert (FOLDER / "solver.trace").read_text() == solver()
