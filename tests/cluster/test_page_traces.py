"""A rank follows a trace of pages, and traces are made of what perf, DAMON and lackey print."""

import gzip
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netswap.cluster.lab import Cluster, open_cluster
from netswap.cluster.recordings import trace
from netswap.cluster.recordings.files import RecordingError, sha256_of
from netswap.cluster.recordings.tools.convert import convert
from netswap.cluster.scenario import ScenarioError, load
from netswap.protocol.units import milliseconds

SCENARIO = """
title: a trace that is followed
stop: {stop}
kernel: linux-6.11
network: {{latency: 100us}}
machines:
  A:
    memory: 4MiB
    swap: {{server: C, size: 64MiB, readahead: 1}}
    programs:
      - rank: {{trace: pages.trace, start: {start}, {rank}}}
  C:
    programs: [swap-server: {{}}]
timeline: {timeline}
expect: []
"""


def scenario(folder: Path, lines: str | bytes, rank: str = "repeat: 1", **words: str) -> Path:
    """The scenario's file, beside the trace."""
    data = lines.encode() if isinstance(lines, str) else lines
    (folder / "pages.trace").write_bytes(data)
    path = folder / "follow.yaml"
    filled = {"stop": "1s", "start": "cold", "timeline": "[]", **words}
    path.write_text(SCENARIO.format(rank=rank, **filled))
    return path


Run = Callable[..., Cluster]


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[Run]:
    """Run the scenario on a trace's lines, for as long as is said."""
    clusters = []

    def run(lines: str | bytes, rank: str = "repeat: 1", **words: Any) -> Cluster:
        clusters.append(open_cluster(scenario(tmp_path, lines, rank, **words)))
        return clusters[-1]

    yield run
    for one in clusters:
        one.close()


def touched(cluster: Cluster) -> int:
    """Pages that the rank has touched."""
    return int(cluster["A"].programs["rank 0"]["progress"])


LINES = """# made up
0 0
1000000 5 r   # five
1000000 7-9 w

4000000 2
"""


def test_pages_are_touched_at_their_times(follow):
    """One page at 0, four at 1 ms, one at 4 ms: what a look just before and just after sees."""
    cluster = follow(LINES)
    seen = []
    for at in (1, 1_000_000, 1_000_001, 4_000_000, 4_000_001):
        cluster.run_to(at)
        seen.append(touched(cluster))
    assert seen == [1, 1, 5, 5, 6]
    assert cluster.run()["A"].verdict == "finished"


@pytest.mark.parametrize(
    ("rank", "end_ns"), [("speed: 2", 2_000_000), ("speed: 3", 1_333_333), ("speed: 0.5", 8_000_000)]
)
def test_speed_divides_times(follow, rank, end_ns):
    cluster = follow(LINES, rank)
    assert touched(cluster.run_to(end_ns)) == 5
    assert touched(cluster.run_to(end_ns + 1)) == 6


def test_without_a_pace_all_is_touched_at_once(follow):
    assert touched(follow(LINES, "pace: none").run_to(1)) == 6


def test_without_a_pace_a_long_trace_still_lets_time_pass(follow):
    """A thousand touches take a microsecond, so a trace of any length fits into memory and goes on for ever."""
    lines = "".join(f"{place} {place * 7 % 500}\n" for place in range(2000))
    cluster = follow(lines, "pace: none, repeat: ever", stop="100us")
    assert touched(cluster.run()) == 100_000


def test_a_trace_is_repeated_after_the_mean_time_between_its_lines(follow):
    """Four lines in 4 ms: the next round begins 4/3 ms after the last of them."""
    cluster = follow(LINES, "repeat: 2")
    assert touched(cluster.run_to(5_333_333)) == 6
    assert touched(cluster.run_to(5_333_334)) == 7
    assert touched(cluster.run()) == 12


def test_what_a_wait_takes_comes_on_top(follow):
    """While the server is away a fault waits; the touch after it comes as much later as was computed between the two."""
    lines = "0 0-1499 w\n500000000 0-9 w\n600000000 10-19 w\n"
    away = "[{at: 400ms, partition: [C], for: 200ms}]"
    cluster = follow(lines, stop="3s", timeline=away)
    cluster.run_to(milliseconds(600))
    assert touched(cluster) < 1510
    assert touched(cluster.run()) == 1520
    twin = follow(lines, stop="3s")
    assert touched(twin.run_to(milliseconds(600))) >= 1510


@pytest.mark.parametrize(("how", "dirty"), [("r", False), ("w", True)])
def test_a_column_says_whether_a_page_is_written(follow, how, dirty):
    """Pages that are only read need not be written out a second time: they are still on the server."""
    lines = f"0 0-1499 w\n1000000000 0-1499 {how}\n2000000000 0-1499 {how}\n"
    out = follow(lines, stop="3s").run()["A"].counters["pages_out"]
    assert (out > 1500) == dirty


def test_where_no_column_says_it_access_does(follow):
    lines = "0 0-1499 w\n1000000000 0-1499\n2000000000 0-1499\n"
    reads = follow(lines, "access: read", stop="3s").run()["A"].counters["pages_out"]
    writes = follow(lines, "access: write", stop="3s").run()["A"].counters["pages_out"]
    assert writes > 1.5 * reads


def test_the_working_set_is_the_highest_page_and_those_below(tmp_path):
    settings = load(scenario(tmp_path, "0 3\n5 699\n")).resolved().machines[0].programs[0][1]
    assert settings["working_set"] == 700 * 4096


def test_a_warm_rank_has_to_fit(tmp_path):
    with pytest.raises(ScenarioError, match="do not fit into memory, and the swap has 16384"):
        load(scenario(tmp_path, "0 0-49999\n", start="warm"))


def test_a_packed_trace_is_unpacked(tmp_path):
    packed = scenario(tmp_path, gzip.compress(LINES.encode()))
    one = load(packed).resolved().machines[0].programs[0][1]["recording"]
    two = load(scenario(tmp_path, LINES)).resolved().machines[0].programs[0][1]["recording"]
    assert one.packed == two.packed
    assert one.sha256 != two.sha256 == sha256_of(tmp_path / "pages.trace")


WRONG = {
    "": "there is no touch of a page in it",
    "# nothing\n\n": "there is no touch of a page in it",
    "0 1\nx 2\n": 'line 2: "x 2" is no touch of a page',
    "0\n": 'line 1: "0" is no touch',
    "0 1 x\n": "is no touch",
    "0 1 w 4\n": "is no touch",
    "0 -1\n": "is no touch",
    "0 5-4\n": "is no touch",
    "1.5 4\n": "is no touch",
    "0 99999999999999\n": "is no touch",
    "99999999999999999999 1\n": "is no touch",
    "5 1\n4 1\n": "line 2: time goes back, from 5 to 4 ns",
    "0 \xff\n": "is no touch",
}


@pytest.mark.parametrize("lines", WRONG)
def test_a_trace_that_cannot_be_read_is_an_error_with_its_line(tmp_path, lines):
    with pytest.raises(ScenarioError) as caught:
        load(scenario(tmp_path, lines.encode("latin-1")))
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (11, 23)
    assert problem.message.startswith("pages.trace: ")
    assert WRONG[lines] in problem.message


@pytest.mark.parametrize(
    ("rank", "message"),
    [
        ("touch: 4KiB", '"touch" does not go together with trace'),
        ("working_set: 4MiB", '"working_set" does not go together with trace'),
        ("steps: 4", '"steps" does not go together with trace'),
        ("pace: fast", 'there is no pace "fast"'),
        ("repeat: 0", "too small"),
    ],
)
def test_words_that_do_not_fit_are_said(tmp_path, rank, message):
    with pytest.raises(ScenarioError, match=message):
        load(scenario(tmp_path, LINES, rank))


def test_without_a_trace_its_words_are_errors_and_a_working_set_is_needed(tmp_path):
    path = scenario(tmp_path, "", "pace: none")
    path.write_text(path.read_text().replace("trace: pages.trace, ", ""))
    with pytest.raises(ScenarioError) as caught:
        load(path)
    said = "\n".join(one.message for one in caught.value.problems)
    assert '"working_set" is missing in machines.A.programs.0.rank' in said
    assert '"touch" is missing in machines.A.programs.0.rank' in said
    assert '"pace" says how a trace is played, and there is none' in said


def test_a_run_in_pieces_has_the_same_digest(tmp_path):
    lines = "".join(f"{place * 100_000} {place * 37 % 1500} w\n" for place in range(3000))
    path = scenario(tmp_path, lines, timeline="[{at: 100ms, partition: [C], for: 100ms}]", start="warm")
    with open_cluster(path) as whole, open_cluster(path) as parts:
        whole.run()
        for _ in range(19):
            parts.run_for(milliseconds(13) + 7)
        assert parts.run().digest() == whole.digest()


# -- from other tools ------------------------------------------------------------------------------------------------------

PERF = """# ========
# captured on    : Sat Nov 28 10:00:00 2026
# ========
#
stress-ng 4242 [001]  5678.123456789:          1 page-faults:      7f2a3c002010           401136 main+0x10 (/usr/bin/stress-ng)
\t          401136 main+0x10 (/usr/bin/stress-ng)

stress-ng 4242 [001]  5678.123460789:       1000 cycles:u:           401136 main+0x10 (/usr/bin/stress-ng)
a b 4243 [000]  5678.123457789:          1 page-faults:u:      7f2a3c000000
a b 4243 [000]  5678.123457000:          1 page-faults:u:      7f2a3c001fff
stress-ng 4242/4243 [001]  5678.124456:          1 minor-faults:      7f2a3d000fff
"""


def test_page_faults_of_perf(tmp_path):
    """Four pages, of which three lie next to each other; a line that is out of order has the time of the one before."""
    assert converted(tmp_path, "perf", PERF) == ["0 2", "1000 0", "1000 1", "999211 3"]


def test_page_faults_that_perf_traced_say_what_they_were(tmp_path):
    """error_code: bit 1 is a write (X86_PF_WRITE)."""
    line = " a 1 [000] 1.{at}: exceptions:page_fault_user: address=0x{page}000 ip=0x401136 error_code=0x{code}\n"
    said = [("000001", "7f01", 6), ("000002", "7f00", 4), ("000003", "7f01", 7)]
    lines = "".join(line.format(at=at, page=page, code=code) for at, page, code in said)
    assert converted(tmp_path, "perf", lines) == ["0 1 w", "1000 0 r", "2000 1 w"]


def test_faults_with_time_and_address_alone(tmp_path):
    assert converted(tmp_path, "perf", "  1.000000:     7f2a3c001000 \n  1.000005:     7f2a3c000000 \n") == [
        "0 1",
        "5000 0",
    ]


def test_page_faults_of_risc_v_say_a_cause(tmp_path):
    """0xd is a load, 0xf a store, 0xc an instruction, of which nothing is said; comm may have spaces and colons."""
    fault = "exceptions:page_fault_user: user page fault, address=0x{page}400 cause={cause}"
    line = f"tmux: server  563 [007]   115.{{at}}:   {fault}\n"
    said = [("000001", "7f001", "0xd"), ("000002", "7f000", "0xf"), ("000003", "7f002", "0xc")]
    lines = "".join(line.format(at=at, page=page, cause=cause) for at, page, cause in said)
    assert converted(tmp_path, "perf", lines) == ["0 1 r", "1000 0 w", "2000 2"]


DAMO = """base_time_absolute: 8 m 59.809 s

monitoring_start:                0 ns
monitoring_end:            104.599 ms
monitoring_duration:       104.599 ms
target_id: 18446623438842320000
nr_regions: 3
{head}563ebaa00000-563ebaa04000(  16.000 KiB):{tab}1{age}
7f938d7e1000-7f938ddfc000(   6.105 MiB):{tab}0{age}
7fff66b0a000-7fff66b0c000(   8.000 KiB):{tab}5{age}

monitoring_start:          104.599 ms
monitoring_end:            1 s 208.590 ms
monitoring_duration:       103.991 ms
target_id: 18446623438842320000
nr_regions: 1
563ebaa01000-563ebaa05000 (  16.000 KiB){colon}{tab}2{age}

"""


@pytest.mark.parametrize(
    "form",
    [
        {"head": "", "tab": "        ", "age": "", "colon": ":"},
        {
            "head": "# start_addr     end_addr        length  nr_accesses   age\n",
            "tab": " ",
            "age": "    -1",
            "colon": "",
        },
    ],
)
def test_records_of_damon(tmp_path, form):
    """Regions that were seen used, each page of them once, where the aggregation begins; the gap between them is left out."""
    assert converted(tmp_path, "damon", DAMO.format(**form)) == ["0 0-3", "0 5-6", "104599000 1-4"]


def test_regions_that_perf_traced(tmp_path):
    line = "    kdamond.0 46568 [027] 79357.{at}: damon:damon_aggregated: target_id=0 nr_regions=2 {start}-{end}: {seen} 864\n"
    said = [("842179", 8 * 4096, 10 * 4096, 3), ("842179", 10 * 4096, 99 * 4096, 0), ("942179", 7 * 4096, 9 * 4096, 1)]
    lines = "".join(line.format(at=at, start=start, end=end, seen=seen) for at, start, end, seen in said)
    assert converted(tmp_path, "damon", lines) == ["0 1-2", "100000000 0-1"]


def test_other_events_beside_those_of_damon_are_passed_over(tmp_path):
    """damos_before_apply says the regions again."""
    lines = (
        "    kthreadd  6497 [031]  5702.069502: damon:damon_aggregated: target_id=0 nr_regions=1 4096-12288: 3 240\n"
        "    kdamond.0 6497 [031]  5702.079502: damon:damos_before_apply: ctx_idx=0 scheme_idx=0 target_idx=0 nr_regions=1 "
        "4096-8192: 3 136\n"
    )
    assert converted(tmp_path, "damon", lines) == ["0 0-1"]


LACKEY = """==4242== Lackey, an example Valgrind tool
==4242== Command: ./solver
==4242==
I  04001090,3
I  04001093,5
 S 1ffefffe78,8
 L 1ffefffe78,8
I  04001098,4
 M 1ffefffffc,8
 L 1ffefffe70,8
 L 1ffefffe80,8
I  0400109c,1
 L 04222cac,8
==4242==
"""


def test_loads_and_stores_of_lackey(tmp_path):
    """An instruction is a nanosecond; what lies over the end of a page touches both; the same page twice is one line."""
    assert converted(tmp_path, "lackey", LACKEY) == ["0 1 w", "0 1 r", "1 1-2 w", "1 1 r", "2 0 r"]


def test_superblocks_and_lines_without_their_margin_are_lackey_s_too(tmp_path):
    """--trace-superblocks=yes adds the former, an editor or a filter takes the latter away."""
    lines = "SB 04001090\nI  04001090,3\nS 1ffefff010,8\nL 1ffefff010,8\nSB 04001098\n M 1ffeffe010,8\n"
    assert converted(tmp_path, "lackey", lines) == ["0 1 w", "0 1 r", "0 0 w"]


def converted(folder: Path, tool: str, lines: str | bytes) -> list[str]:
    """The lines of the trace, which has to be one."""
    source, out = folder / "recorded.txt", folder / "out.trace"
    source.write_bytes(lines.encode() if isinstance(lines, str) else lines)
    convert(tool, source, out)
    trace.take(out, "")
    return out.read_text().splitlines()[1:]


BROKEN = {
    ("perf", "bash: perf: command not found\n"): "line 1: ",
    (
        "perf",
        "a 1 [000] 1.000001:  1 page-faults:  401136 main+0x10 (/usr/bin/a)\n",
    ): "line 1: this fault has no address",
    ("perf", "a 1 [000] 1.000001:  1 page-faults:\n"): "line 1: this fault has no address",
    ("perf", "# nothing\n"): "there is no access to memory in it",
    ("perf", ""): "there is no access to memory in it",
    ("damon", "7f938d7e1000-7f938ddfc000(   6.105 MiB): 1\n"): "line 1: this region has no monitoring_start",
    ("damon", "monitoring_start: 0 ns\n5000-4000(   6.105 MiB): 1\n"): "line 2: this region ends before it begins",
    ("damon", "monitoring_start: soon\n"): 'line 1: "soon" is no time',
    ("damon", "monitoring_start: 0 ns\n5000-40\n"): 'line 2: "5000-40" is no line',
    ("lackey", "I  04001090,3\n S 1ffefffe78\n"): 'line 2: "S 1ffefffe78" is no line of lackey',
    ("lackey", "I  04001090,3\n"): "there is no access to memory in it",
}


@pytest.mark.parametrize(("tool", "lines"), BROKEN)
def test_what_is_no_output_of_the_tool_is_an_error_with_its_line_and_leaves_nothing(tmp_path, tool, lines):
    with pytest.raises(RecordingError) as caught:
        converted(tmp_path, tool, lines)
    assert BROKEN[tool, lines] in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["recorded.txt"]


def test_a_packed_output_is_unpacked(tmp_path):
    assert converted(tmp_path, "lackey", gzip.compress(LACKEY.encode())) == converted(tmp_path, "lackey", LACKEY)


def long(folder: Path, lines: int) -> Path:
    """So many accesses, all of them on the same 500 pages."""
    source = folder / "long.txt"
    with source.open("w") as out:
        out.writelines(f" L {place * 7919 % 500 * 8192:08x},8\n" for place in range(lines))
    return source


def peak(folder: Path, lines: int) -> int:
    """Bytes that a conversion of so many lines holds at most."""
    source = long(folder, lines)
    tracemalloc.start()
    convert("lackey", source, folder / "out.trace")
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return held


def test_memory_does_not_grow_with_lines(tmp_path):
    assert peak(tmp_path, 10_000) < 2 * peak(tmp_path, 1000)


GROWN = """
import sys
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from netswap.cluster.recordings.tools.convert import convert
before = getrusage(RUSAGE_SELF).ru_maxrss
convert("lackey", Path(sys.argv[1]), Path(sys.argv[2]))
print(getrusage(RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_a_million_lines_are_converted_in_a_few_megabytes(tmp_path):
    """What the process has grown by, in KiB."""
    words = [sys.executable, "-c", GROWN, str(long(tmp_path, 1_000_000)), str(tmp_path / "out.trace")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 8 << 10
