"""Where a program's time goes, how fast it gets on in each phase, and what is said of who did not wedge."""

from itertools import chain
from pathlib import Path

import pytest
from scenes import SOCKET_FRAMES, atomic_floor, min_pages, outage, seed

from netswap.actors.machine_report import NodeKind
from netswap.actors.programs.task import ProgramError
from netswap.actors.safeguards import PRESETS, is_built
from netswap.actors.wait import KINDS
from netswap.cluster.engine.results import as_json, conclude
from netswap.cluster.judge.verdict import BAD, Verdict
from netswap.cluster.lab import open_scenario
from netswap.cluster.scenario import ScenarioError, load
from netswap.protocol.units import seconds

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(chain((ROOT / "configs" / "claims").glob("*.yaml"), (ROOT / "configs" / "matrix").glob("*.yaml")))
POLICIES = [policy for policy in PRESETS if is_built(policy)]


def told(netswap, text, **keys):
    """The JSON of a whole run, each machine's part of it."""
    cluster = netswap(text, **keys).run()
    result = conclude(cluster.scenario, cluster.scenario.resolved(), cluster.state())
    return as_json(result, "inline", 0.0, "", "")["machines"]


def alone(rank, latency="1ms", stop="6s", swap="", programs="", timeline="[]", memory="16MiB", server=""):
    """One machine that swaps, its server, and no other machine."""
    return f"""
title: alone
stop: {stop}
network: {{latency: {latency}}}
machines:
  A:
    memory: {memory}
    swap: {{server: C, size: 256MiB, readahead: 1{swap}}}
    programs:
{f"      - rank: {{{rank}}}" if rank else ""}
{programs}
  C: {{programs: [{{swap-server: {{disk_latency: 0us, disk_bandwidth: 100GB/s{server}}}}}]}}
timeline: {timeline}
"""


# -- where the time goes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("compute_ms", "latency_ms"), [(10, 5), (30, 5), (10, 20)])
def test_a_rank_that_faults_at_each_step_waits_for_the_reply_a_round_trip_of_each(netswap, compute_ms, latency_ms):
    """A page in each step, none of them resident (cyclic): compute c, then 2 latencies and 4 frames on the wire."""
    wire_ms = (3 * 1538 + 1538) * 8 / 1e6
    rank = f"working_set: 20MiB, touch: 4KiB, compute: {compute_ms}ms, start: warm"
    scene = alone(rank, latency=f"{latency_ms}ms", stop="60s")
    # 20 MiB of which 16 MiB are resident at first: what is looked at is the time after these have been touched.
    rank_of = told(netswap, scene)["A"]["programs"][0]
    cluster = netswap(scene).run()
    page_ins = cluster["A"].pages_in
    expected = 100 * page_ins * (2 * latency_ms + wire_ms) / 60_000
    assert rank_of["waited"]["reply"] == pytest.approx(expected, abs=1.5)


def test_the_shares_of_each_program_are_all_of_its_time(netswap):
    """Whatever it waited for, and whether it got on."""
    for machine in told(netswap, seed(stop="12s", timeline=outage("2s", "3s"))).values():
        for program in machine["programs"]:
            assert set(program["waited"]) == set(KINDS)
            assert sum(program["waited"].values()) == pytest.approx(100, abs=0.5)


@pytest.mark.parametrize(
    ("kind", "name", "scene"),
    [
        ("reply", "rank 0", alone("working_set: 20MiB, touch: 1MiB, compute: 1ms", latency="50ms")),
        ("slot", "rank 1", alone("working_set: 12MiB, touch: 4KiB, compute: 1us", swap=", in_flight: 1", latency="50ms",
                                 programs="      - rank: {working_set: 12MiB, touch: 4KiB, compute: 1us}")),
        ("message", "service 0", alone("", programs="      - service: {port: 9000}")),
        ("nothing", "rank 0", alone("working_set: 4MiB, touch: 1MiB, compute: 10ms")),
        ("disk", "reader 0", alone("", programs="      - reader: {file: 64MiB, rate: 1GB/s, start: cold}")),
        ("throttle", "writer 0", alone("", programs="      - writer: {file: 64MiB, rate: 1GB/s}")),
        ("connection", "rank 0", alone("working_set: 20MiB, touch: 1MiB, compute: 1ms", swap=", transport: nbd",
                                       timeline="[{at: 0s, partition: [C], for: 5s}]")),
    ],
)  # fmt: skip
def test_each_kind_of_wait_is_seen_where_a_program_does_little_else(netswap, kind, name, scene):
    """The largest share of its time, or, of a request slot, more than a hundredth of it."""
    (waited,) = [one["waited"] for one in told(netswap, scene)["A"]["programs"] if one["name"] == name]
    if kind == "slot":
        assert waited["slot"] > 1
    else:
        assert max(waited, key=waited.get) == kind, waited


def test_a_machine_below_its_floor_waits_for_a_page(netswap):
    """The seed's wedge: the service sleeps for a page of its own, or for the one that is on its way."""
    programs = told(netswap, seed(stop="40s", timeline=outage("2s", "5s")))["A"]["programs"]
    waited = {one["name"]: one["waited"] for one in programs}
    for shares in waited.values():
        assert shares["page"] + shares["reply"] + shares["slot"] > 50


# -- how fast it gets on ------------------------------------------------------------------------------------------------


def test_rates_are_those_of_the_phases(netswap):
    """A service that is called 2000 times a second, and a rank whose pages are on C, which is away for 5 s."""
    scene = seed(stop="20s", flood_from="0s", timeline=outage("4s", "5s"))
    rank, service = told(netswap, scene, safeguards="reserve")["A"]["programs"]
    assert service["rates"]["before"] == pytest.approx(2000, rel=0.02)
    assert rank["rates"]["during"] < rank["rates"]["before"] / 5
    assert rank["rates"]["after"] > 2 * rank["rates"]["during"]


def test_without_faults_the_rate_is_that_of_the_whole_run(netswap):
    """There is no other phase."""
    (rank,) = told(netswap, alone("working_set: 4MiB, touch: 1MiB, compute: 10ms"))["A"]["programs"]
    assert rank["rates"] == {"before": pytest.approx(256 / 0.01, rel=0.01), "during": None, "after": None}


def test_nobody_recovers_from_nothing(netswap):
    """At 200 ms of latency and with a server's disk that takes 1 s a page, each page-in is a stall; there was no fault."""
    scene = alone("working_set: 20MiB, touch: 4MiB, compute: 1ms", latency="200ms", stop="30s")
    for text in (scene, scene.replace("disk_latency: 0us", "disk_latency: 1s")):
        cluster = netswap(text).run()
        assert cluster["A"].verdict in ("healthy", "undecided")
        assert cluster["A"].recovered_after_ns is None
    assert cluster["A"].stalled_ns >= seconds(1)


CRAWL = """
title: after the heal the way back is full of somebody else's frames
stop: 24s
network: {latency: 1ms, port: {bandwidth: 100Mbit/s, queue: 8}}
machines:
  A:
    memory: 16MiB
    swap: {server: C, size: 64MiB, readahead: 1}
    programs:
      - rank: {working_set: 20MiB, touch: 1MiB, compute: 1ms}
      - service: {port: 9000, sockets: 4}
  B: {programs: [{flood: {to: "A:9000", rate: RATE, payload: 1472B, from: 10s}}]}
  C: {programs: [{swap-server: {}}]}
timeline: [{at: 8s, partition: [C], for: 4s}]
"""


@pytest.mark.parametrize(("rate", "verdict"), [("97Mbit/s", Verdict.SLOW), ("10Mbit/s", Verdict.RECOVERED)])
def test_who_crawls_after_the_heal_is_slow_and_not_recovered(netswap, rate, verdict):
    """Replies are lost at the full port of the switch: each page takes a time-out of 1.1 s and more."""
    a = told(netswap, CRAWL.replace("RATE", rate))["A"]
    (rank, _) = a["programs"]
    assert rank["verdict"] == verdict
    assert a["recovered_after_ns"] is not None
    slow = [line for line in a["reason"] if line.startswith("rank 0 is slow")]
    assert bool(slow) == (verdict == Verdict.SLOW)
    if slow:
        assert "% for a reply of the swap server" in slow[0]
        assert 2 * rank["rates"]["after"] < rank["rates"]["before"]


# -- what keeps more from being said ------------------------------------------------------------------------------------


def test_undecided_names_the_timer_and_the_stop_that_is_long_enough(netswap):
    """A wedge whose timers have not fired since the heal; with the stop that is named it is one."""
    text = seed(stop="12s", timeline=outage("2s", "9s"))
    a = told(netswap, text)["A"]
    assert a["verdict"] == Verdict.UNDECIDED
    (hope,) = [line for line in a["reason"] if "a timer may still help" in line]
    stop = hope.split("stop: ")[1].split("s ")[0]
    assert told(netswap, text.replace("stop: 12s", f"stop: {stop}s"))["A"]["verdict"] == Verdict.WEDGED


# -- which link of the loop was open ------------------------------------------------------------------------------------


def open_link(netswap, text, **keys):
    """The one sentence about A, which is not wedged."""
    a = told(netswap, text, **keys)["A"]
    assert a["verdict"] not in BAD
    (line,) = [line for line in a["reason"] if "did not wedge" in line]
    return line


def test_a_service_without_pages_reads_through_every_outage(netswap):
    """The first scenario of many: nothing piles up, and free memory never comes near the floor."""
    scene = seed(timeline=outage("2s", "5s"), stop="20s").replace(", pages: 64", "")
    assert "service 0 never waited for memory (it has no pages of its own)" in open_link(netswap, scene)


def test_a_service_whose_pages_are_locked_does_as_well(netswap):
    """mlock keeps it out of the loop."""
    scene = seed(timeline=outage("2s", "5s"), stop="20s", service=", lock: true")
    assert "service 0 never waited for memory (its 64 pages are locked)" in open_link(netswap, scene)


def test_sockets_that_are_full_before_the_floor_keep_it_alive(netswap):
    """The capacity rule with numbers: n sockets take 68 frames each, and more would have been needed."""
    sockets = 8
    line = open_link(netswap, seed(timeline=outage("2s", "5s"), stop="20s", sockets=sockets))
    assert "the sockets were full" in line
    fit, needed = (int(part.split()[0].replace(",", "")) for part in (line.split("(")[1], line.split("fit, ")[1]))
    assert fit == pytest.approx(sockets * SOCKET_FRAMES, abs=SOCKET_FRAMES)
    assert needed > fit


def test_reception_from_the_reserve_keeps_it_alive(netswap):
    """With the number of frames that were dropped at demux."""
    cluster = netswap(seed(timeline=outage("2s", "5s"), stop="20s"), safeguards="reserve").run()
    line = open_link(netswap, seed(timeline=outage("2s", "5s"), stop="20s"), safeguards="reserve")
    assert f"reception was served from the reserve ({cluster['A'].dropped['demux']:,} frames" in line


def test_memory_that_never_comes_near_the_floor_keeps_it_alive(netswap):
    """A rank alone leaves what reception may take: min, of which the floor is three eighths."""
    line = open_link(netswap, alone("working_set: 20MiB, touch: 1MiB, compute: 1ms"))
    assert f"floor {atomic_floor(min_pages(16))}" in line


def test_a_machine_that_was_never_short_of_memory_needs_no_reason(netswap):
    """Nor does one that does not swap."""
    machines = told(netswap, alone("working_set: 4MiB, touch: 1MiB, compute: 1ms"))
    assert machines["A"]["reason"] == machines["C"]["reason"] == []


# -- nobody waits for what is there -------------------------------------------------------------------------------------


def overslept(scenario, until_ns, looks=11):
    """Who waits for what has come already, at ten times within the run and at its end."""
    found = []
    with open_scenario(scenario) as cluster:
        stop_ns = min(scenario.words.stop, until_ns)
        for look in range(1, looks + 1):
            cluster.run_to(stop_ns * look // looks)
            for machine in cluster.state().machines:
                found += [*machine.overslept, *(node.sentence for node in machine.waits if contradicts(node))]
    return found


def contradicts(node):
    """Whether a sentence's own numbers say that what is waited for is there."""
    said, free = node.quantities, node.quantities.get("free")
    if node.id.kind is NodeKind.FREE_PAGE:
        return free > said["min"] and said["waiters"] > said["asleep"]
    return "atomic" in said and "order" not in node.sentence and free > said["atomic"]


THIRD = [pytest.param(path, marks=[pytest.mark.slow] * (at % 3 > 0), id=path.stem) for at, path in enumerate(CONFIGS)]


@pytest.mark.parametrize("path", THIRD)
def test_nobody_waits_for_what_is_there(path):
    """Each scenario as it is written, for 3 s; the large ones for less. `make test` runs a third of them."""
    scenario = load(path)
    assert overslept(scenario, seconds(3) if len(scenario.words.machines) < 8 else seconds(0.1)) == []


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["linux-2.6.22", "linux-6.11"])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_nobody_waits_for_what_is_there_under_any_policy(path, policy, kernel):
    """The matrix and the claims under every proposal and both kernels, for 20 s."""
    try:
        scenario = load(path, safeguards=policy, kernel=kernel, expect=[])
    except ScenarioError:
        return  # not for these rules
    assert overslept(scenario, seconds(20)) == []


def test_a_page_that_wakes_nobody_is_found(netswap, monkeypatch):
    """The twin: the zone forgets to say that a page has become free."""
    cluster = netswap(alone("working_set: 40MiB, touch: 8MiB, compute: 1ms, start: cold"))
    machine = cluster.engine.machine(0)
    machine.zone.on_free_with_waiters(lambda: None)
    monkeypatch.setattr(machine.reclaim, "_wait", lambda *_: None)  # and nobody looks again
    cluster.run_for(seconds(2))
    assert any("waits for a free page" in line for line in cluster.state().machines[0].overslept)


# -- time has to pass ---------------------------------------------------------------------------------------------------


def line_of_rank(text):
    """Where it stands, counted from 1."""
    return next(number for number, line in enumerate(text.split("\n"), 1) if "- rank:" in line)


def test_a_rank_that_fits_and_does_not_compute_is_refused():
    """It would run for ever at one instant: with the place, and what would be right."""
    text = alone("working_set: 4MiB, touch: 4KiB, compute: 0ns")
    with pytest.raises(ScenarioError) as refused:
        load(text)
    (problem,) = refused.value.problems
    assert "no time would pass" in problem.message
    assert "compute: 1ms" in problem.hint
    assert problem.line == line_of_rank(text)
    load(alone("working_set: 40MiB, touch: 4KiB, compute: 0ns"))  # waits for pages again and again


def test_a_program_that_lets_no_time_pass_ends_the_run_with_its_line(netswap):
    """What only shows in a run: a rank with a billion steps, on the second of two machines of its kind."""
    text = alone("working_set: 4MiB, touch: 4KiB, compute: 0ns, steps: 1000000000")
    with pytest.raises(ProgramError) as ended:
        netswap(text).run()
    assert ended.value.line == line_of_rank(text)
    assert "rank 0 on A" in ended.value.message
    assert "compute" in ended.value.hint


def test_a_program_of_ones_own_that_lets_no_time_pass_does_too(netswap, monkeypatch):
    """One that never blocks, and one that blocks and is woken at once, for ever."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    for name in ("Spinner", "Sleepless"):
        text = alone("", programs=f"      - sleepers:{name}: {{}}")
        with pytest.raises(ProgramError, match="no time has passed"):
            netswap(text).run()
