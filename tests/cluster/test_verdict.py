"""The verdict: each word, what it takes to say it, and what is said instead while it cannot be said."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from scenes import outage, seed

from netswap.actors.events import Timer
from netswap.actors.machine_report import MachineReport, NodeId, NodeKind, ProgramReport, WaitNode
from netswap.actors.wait import KINDS
from netswap.cluster.judge.expectations import VERDICTS
from netswap.cluster.judge.explain import reason
from netswap.cluster.judge.state import State
from netswap.cluster.judge.verdict import BAD, Judgement, Recovery, Verdict, judge, recovery, wait_graph
from netswap.cluster.pytest_plugin import Open
from netswap.protocol.rpc import PAGE
from netswap.protocol.units import milliseconds, seconds

NOW_NS = seconds(100)
BEGUN_NS, HEALED_NS = seconds(10), seconds(20)
STALLED_NS = seconds(12)
"""When a program stopped, unless a test says otherwise: during the fault."""
STALL_AFTER_NS = seconds(1)
NEVER = -1

Stall = tuple[int, int]


# -- inputs by hand -----------------------------------------------------------------------------------------------------


def program(
    name: str = "rank 0",
    *,
    stalled_since_ns: int | None = None,
    stalls: Sequence[Stall] = (),
    unended: Sequence[Stall] = (),
    slots: Sequence[int] = (),
    last_ns: int = NOW_NS,
    progress: int = 1000,
    idle: bool = False,
    finished: bool = False,
    killed_ns: int | None = None,
    killed_by: str = "",
    freed_pages: int = 0,
    waited_ns: Sequence[int] = (0,) * len(KINDS),
) -> ProgramReport:
    """What a machine reports of a program that runs well, but for what is said."""
    return ProgramReport(
        name=name,
        kind=name.split()[0],
        pages=0,
        locked=False,
        finished=finished,
        idle=idle,
        progress=progress,
        last_ns=last_ns if stalled_since_ns is None else stalled_since_ns,
        stalls=tuple(stalls),
        unended=tuple(unended),
        stalled_since_ns=stalled_since_ns,
        slot_ns=STALL_AFTER_NS,
        slots=tuple(slots),
        open_slot=0,
        waited_ns=tuple(waited_ns),
        waited_slots=(),
        killed_ns=killed_ns,
        killed_by=killed_by,
        freed_pages=freed_pages,
    )


def stalled(name: str = "rank 0", since_ns: int = STALLED_NS) -> ProgramReport:
    """A program that stands still."""
    return program(name, stalled_since_ns=since_ns)


def node_id(name: str) -> NodeId:
    """From a name in the graph; whatever is no kind of node is a task."""
    machine_name, _, what = name.partition("/")
    kinds = {str(kind): kind for kind in NodeKind}
    return NodeId(machine_name, kinds[what]) if what in kinds else NodeId(machine_name, NodeKind.TASK, what)


def waits(*edges: str, sentences: dict[str, str] | None = None) -> tuple[WaitNode, ...]:
    """The nodes of a machine's wait-for graph: "A/rank 0 > A/free page" for each edge, in order."""
    targets: dict[str, list[str]] = {}
    for edge in edges:
        node, _, target = edge.partition(" > ")
        targets.setdefault(node, [])
        if target:
            targets[node].append(target)
    said = sentences or {}
    return tuple(
        WaitNode(node_id(node), said.get(node, node), tuple(map(node_id, to)), {}) for node, to in targets.items()
    )


def machine(
    *programs: ProgramReport,
    name: str = "A",
    timers: Sequence[Timer] = (),
    last_reply_ns: int | None = None,
    waiting: Sequence[WaitNode] | None = None,
    dropped: dict[str, int] | None = None,
    tx_no_memory: int = 0,
    lost_pages: int = 0,
    down: bool = False,
    paused: bool = False,
) -> MachineReport:
    """A machine; each program that stands still waits for a page unless `waiting` says otherwise."""
    if waiting is None:
        still = [one.name for one in programs if one.stalled_since_ns is not None]
        waiting = waits(*(f"{name}/{task} > {name}/free page" for task in still), f"{name}/free page")
    return MachineReport(
        name=name,
        down=down,
        paused=paused,
        digest="",
        counters={"tx_no_memory": tx_no_memory, "lost_pages": lost_pages},
        dropped=dropped or {},
        free_blocks=(),
        programs=programs,
        timers=tuple(timers),
        overslept=(),
        swaps=False,
        atomic_floor=0,
        frames_max=0,
        frame_bytes=PAGE,
        page_bytes=PAGE,
        ring=256,
        last_reply_ns=last_reply_ns,
        waits=tuple(waiting),
    )


def timer(what: str, last_ns: int, previous_ns: int, due_ns: int = NOW_NS + seconds(3)) -> Timer:
    """One that fires again after the end of the run."""
    return Timer(what, last_ns, previous_ns, due_ns)


Faults = Sequence[tuple[int, int | None]]
ONE_FAULT: Faults = [(BEGUN_NS, HEALED_NS)]


def state(*machines: MachineReport, faults: Faults = ONE_FAULT, now_ns: int = NOW_NS) -> State:
    """A cluster at the end of its run; faults are (begin, end)."""
    return State(now_ns, 1, list(machines), {}, [("partition", {}, begin, end) for begin, end in faults])


def judged(*programs: ProgramReport, faults: Faults = ONE_FAULT, now_ns: int = NOW_NS, **said: Any) -> Judgement:
    """The judgement of A, the only machine."""
    return judge(state(machine(*programs, **said), faults=faults, now_ns=now_ns), STALL_AFTER_NS)["A"]


# -- the words ----------------------------------------------------------------------------------------------------------

AFTER_NS = HEALED_NS + seconds(1)
RETRIED = [timer("retransmission", AFTER_NS + seconds(2), AFTER_NS)]
"""A timer that has fired twice since the heal."""
BEFORE, SINCE = [100] * (BEGUN_NS // STALL_AFTER_NS), [100] * ((NOW_NS - BEGUN_NS) // STALL_AFTER_NS)
SLOW = [*BEFORE, *(49 for _ in SINCE)]
PROGRAMS_OF: dict[Verdict, ProgramReport] = {
    Verdict.OOM_KILLED: program("oom-killed", idle=True, killed_ns=BEGUN_NS),
    Verdict.KILLED: program("killed", idle=True, killed_ns=BEGUN_NS, killed_by="sigbus"),
    Verdict.WEDGED: stalled("wedged"),
    Verdict.UNDECIDED: stalled("undecided", since_ns=NOW_NS - STALL_AFTER_NS),
    Verdict.RECOVERED: program("recovered", stalls=[(STALLED_NS, AFTER_NS)]),
    Verdict.SLOW: program("slow", slots=SLOW),
    Verdict.HEALTHY: program("healthy", slots=[*BEFORE, *SINCE]),
    Verdict.FINISHED: program("finished", finished=True),
}


def test_the_words_are_those_that_can_be_expected() -> None:
    """In the same order, from worst to best."""
    assert [str(verdict) for verdict in Verdict] == list(VERDICTS)


@pytest.mark.parametrize("verdict", PROGRAMS_OF)
def test_a_machine_with_one_program_has_its_verdict(verdict: Verdict) -> None:
    """These are all that a single machine's programs can come to, but for livelocked."""
    assert judged(PROGRAMS_OF[verdict], timers=RETRIED).verdict == verdict


@pytest.mark.parametrize(("worse", "better"), list(pairwise(PROGRAMS_OF)))
def test_a_machines_verdict_is_its_worst_programs(worse: Verdict, better: Verdict) -> None:
    """Wherever that stands among them."""
    programs = PROGRAMS_OF[better], PROGRAMS_OF[worse]
    assert judged(*programs, timers=RETRIED).verdict == worse
    assert judged(*reversed(programs), timers=RETRIED).verdict == worse


@pytest.mark.parametrize("verdict", PROGRAMS_OF)
def test_lost_data_stands_above_all_that_programs_can_come_to(verdict: Verdict) -> None:
    """No program need have noticed."""
    assert judged(PROGRAMS_OF[verdict], timers=RETRIED, lost_pages=1).verdict == Verdict.LOST_DATA


def test_a_machine_without_programs_is_healthy() -> None:
    """It has nothing to do and does it."""
    assert judged() == Judgement(Verdict.HEALTHY, None, 0, None)


def test_a_program_that_ended_is_finished_whatever_it_went_through() -> None:
    """It stalled, and it was slow; what it had to do is done."""
    assert judged(program(finished=True, stalls=[(STALLED_NS, AFTER_NS)], slots=SLOW)).verdict == Verdict.FINISHED


# -- when a wedge can be said -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ([], Recovery(None, 0)),
        ([(5, 7)], Recovery(5, 7, (7,))),
        ([(5, 9), (6, 8)], Recovery(5, 9, (9, 8))),
        ([(6, 8), (5, 9)], Recovery(5, 9, (8, 9))),
        ([(5, 7), (6, None)], Recovery(5, None, (7,))),
        ([(5, None)], Recovery(5, None)),
    ],
)
def test_recovery_begins_when_the_last_fault_has_ended(faults: Faults, expected: Recovery) -> None:
    """Without faults at 0; with one that lasts, never."""
    assert recovery(state(faults=faults)) == expected


def test_without_any_fault_a_wedge_can_be_said_from_0_on() -> None:
    """A flood alone may do it."""
    assert judged(stalled(), faults=[]).verdict == Verdict.WEDGED


def test_a_fault_that_never_ends_makes_it_undecided() -> None:
    """However long it lasts: what would happen after the heal is not known."""
    for faults in ([(BEGUN_NS, None)], [(BEGUN_NS, HEALED_NS), (HEALED_NS, None)]):
        assert judged(stalled(), faults=faults).verdict == Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("last_ns", "previous_ns", "verdict"),
    [
        (NEVER, NEVER, Verdict.UNDECIDED),
        (HEALED_NS - 2, HEALED_NS - 3, Verdict.UNDECIDED),
        (NOW_NS - STALL_AFTER_NS + 1, HEALED_NS - 1, Verdict.UNDECIDED),
        (NOW_NS - STALL_AFTER_NS, HEALED_NS - 1, Verdict.WEDGED),
        (HEALED_NS, NEVER, Verdict.WEDGED),
        (NOW_NS - 1, HEALED_NS, Verdict.WEDGED),
    ],
    ids=[
        "never",
        "twice before the heal",
        "after the heal, but just now",
        "after the heal, and it had time to help",
        "at the heal",
        "twice after the heal",
    ],
)
def test_a_timer_must_have_fired_after_the_heal_and_have_had_time_to_help(
    last_ns: int, previous_ns: int, verdict: Verdict
) -> None:
    """Once is enough if that was a stall's length ago; otherwise the time before it counts."""
    timers = [timer("retransmission", last_ns, previous_ns)]
    assert judged(stalled(), timers=timers).verdict == verdict


def test_one_timer_that_has_not_fired_is_enough_to_hope() -> None:
    """A fragment's time-out is longer than any retransmission."""
    hope = timer("fragment time-out", HEALED_NS - 1, NEVER)
    assert judged(stalled(), timers=RETRIED).verdict == Verdict.WEDGED
    assert judged(stalled(), timers=[*RETRIED, hope]).verdict == Verdict.UNDECIDED
    assert judged(stalled(), timers=[hope, *RETRIED]).verdict == Verdict.UNDECIDED


def test_a_timer_counts_from_the_stall_if_that_began_after_the_heal() -> None:
    """What it did before could not help against what had not happened yet."""
    since = AFTER_NS + seconds(1)
    assert judged(stalled(since_ns=since), timers=[timer("retransmission", since - 1, AFTER_NS)]).verdict == (
        Verdict.UNDECIDED
    )
    assert judged(stalled(since_ns=since), timers=[timer("retransmission", since, AFTER_NS)]).verdict == Verdict.WEDGED


def test_no_wedge_is_said_before_it_has_lasted_a_stalls_length_after_the_heal() -> None:
    """However long it lasted before."""
    assert judged(stalled(), now_ns=HEALED_NS + STALL_AFTER_NS - 1).verdict == Verdict.UNDECIDED
    assert judged(stalled(), now_ns=HEALED_NS + STALL_AFTER_NS).verdict == Verdict.WEDGED


def test_who_waits_for_nothing_but_time_is_not_wedged() -> None:
    """A long computation counts no progress; the end of it is a timer that can still help."""
    assert judged(stalled(), timers=RETRIED, waiting=[]).verdict == Verdict.UNDECIDED
    of_another = waits("A/rank 10 > A/free page", "A/free page")
    assert judged(stalled("rank 1"), timers=RETRIED, waiting=of_another).verdict == Verdict.UNDECIDED


# -- livelocked ---------------------------------------------------------------------------------------------------------


PATIENCE_NS = STALL_AFTER_NS


@pytest.mark.parametrize(
    ("last_reply_ns", "verdict"),
    [
        (None, Verdict.WEDGED),
        (HEALED_NS - 1, Verdict.WEDGED),
        (HEALED_NS + PATIENCE_NS - 1, Verdict.WEDGED),
        (AFTER_NS + seconds(2) - 1, Verdict.WEDGED),
        (NOW_NS - PATIENCE_NS, Verdict.LIVELOCKED),
        (NOW_NS - 1, Verdict.LIVELOCKED),
    ],
    ids=[
        "no reply ever",
        "before the heal",
        "with the heal",
        "and each timer has fired since, in vain",
        "and no timer has fired since",
        "just now",
    ],
)
def test_packets_that_move_while_no_program_does_are_a_livelock(last_reply_ns: int | None, verdict: Verdict) -> None:
    """Replies have come in the stretch that is judged, and are not over: a timer is still to fire after the last."""
    assert judged(stalled(), timers=RETRIED, last_reply_ns=last_reply_ns).verdict == verdict


def test_replies_that_end_where_the_stretch_begins_are_no_livelock() -> None:
    """Where no timer runs nothing can move any more, however short or long the run is: so little is not a livelock."""
    for now_ns in (seconds(5), seconds(30), seconds(200), seconds(300)):
        still = stalled(since_ns=STALL_AFTER_NS)
        last_ns = STALL_AFTER_NS + milliseconds(1)
        assert judged(still, faults=[], now_ns=now_ns, last_reply_ns=last_ns).verdict == Verdict.WEDGED


def test_a_livelock_too_is_only_said_after_the_timers() -> None:
    """They may still end it."""
    timers = [timer("fragment time-out", HEALED_NS - 1, NEVER)]
    assert judged(stalled(), timers=timers, last_reply_ns=NOW_NS - 1).verdict == Verdict.UNDECIDED


# -- too short to tell --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last_ns", "idle", "verdict"),
    [
        (HEALED_NS - 1, False, Verdict.UNDECIDED),
        (HEALED_NS - 1, True, Verdict.HEALTHY),
        (HEALED_NS, False, Verdict.HEALTHY),
    ],
)
def test_a_run_that_ends_just_after_the_heal_says_nothing_good_of_who_has_not_moved_since(
    last_ns: int, idle: bool, verdict: Verdict
) -> None:
    """Too short for a stall is too short for health as well, unless there was nothing to do."""
    now_ns = HEALED_NS + STALL_AFTER_NS // 2
    assert judged(program(last_ns=last_ns, idle=idle), now_ns=now_ns).verdict == verdict
    earlier = [(seconds(11), seconds(13))]
    assert judged(program(last_ns=HEALED_NS - 1, stalls=earlier), now_ns=now_ns).verdict == Verdict.UNDECIDED


def test_a_run_that_ends_just_after_the_fault_has_begun_says_nothing_good_either() -> None:
    """It may be standing still already."""
    lasting: Faults = [(BEGUN_NS, None)]
    now_ns = BEGUN_NS + STALL_AFTER_NS // 2
    assert judged(program(last_ns=BEGUN_NS - 1), faults=lasting, now_ns=now_ns).verdict == Verdict.UNDECIDED
    assert judged(program(last_ns=BEGUN_NS), faults=lasting, now_ns=now_ns).verdict == Verdict.HEALTHY


def test_who_has_never_moved_may_be_wedged_from_the_beginning() -> None:
    """In a run shorter than a stall this cannot be told."""
    now_ns = STALL_AFTER_NS // 2
    assert judged(program(last_ns=0, progress=0), faults=[], now_ns=now_ns).verdict == Verdict.UNDECIDED
    assert judged(program(last_ns=0, progress=1), faults=[], now_ns=now_ns).verdict == Verdict.HEALTHY


# -- slow ---------------------------------------------------------------------------------------------------------------


def rate(before: Sequence[int], since: Sequence[int], faults: Faults | None = None) -> Verdict:
    """The verdict on a program with this progress in each second before the first fault, and since."""
    begun_ns = len(before) * STALL_AFTER_NS
    return judged(
        program(slots=[*before, *since]), faults=[(begun_ns, begun_ns + 1)] if faults is None else faults
    ).verdict


def test_slow_is_under_half_the_rate_before_the_first_fault() -> None:
    """Half is not slow."""
    assert rate([100] * 5, [50] * 20) == Verdict.HEALTHY
    assert rate([100] * 5, [49] * 20) == Verdict.SLOW


def test_slow_is_a_matter_of_most_seconds() -> None:
    """A warm start's first burst, or the outage itself, does not decide."""
    assert rate([100_000, 100, 100, 100, 100], [60] * 20) == Verdict.HEALTHY
    assert rate([100] * 5, [0] * 5 + [100] * 20) == Verdict.HEALTHY
    assert rate([100] * 5, [0] * 11 + [100] * 10) == Verdict.SLOW


def test_slow_needs_a_before_and_a_since() -> None:
    """Without a fault, or with one at time 0, there is nothing to compare with."""
    assert rate([], [1] * 20, faults=[]) == Verdict.HEALTHY
    assert rate([], [1] * 20) == Verdict.HEALTHY
    assert rate([100] * 5, []) == Verdict.HEALTHY


# -- blocked ------------------------------------------------------------------------------------------------------------


def behind(name: str, other: str) -> MachineReport:
    """A machine whose rank stands still because it waits for another machine's."""
    return machine(stalled(), name=name, waiting=waits(f"{name}/rank 0 > {other}/rank 0"))


def wedge(name: str) -> MachineReport:
    """A machine that waits for itself."""
    return machine(
        stalled(), name=name, waiting=waits(f"{name}/rank 0 > {name}/free page", f"{name}/free page > {name}/rank 0")
    )


def verdicts(*machines: MachineReport) -> dict[str, str]:
    """By name."""
    return {name: str(one.verdict) for name, one in judge(state(*machines), STALL_AFTER_NS).items()}


def test_who_waits_only_for_a_wedged_machine_is_blocked() -> None:
    """And who waits for one that waits for it; whichever stands first in the scenario."""
    told = {"A": "wedged", "B": "blocked", "D": "blocked"}
    chain = [wedge("A"), behind("B", "A"), behind("D", "B")]
    assert verdicts(*chain) == told
    assert verdicts(*reversed(chain)) == told


def test_who_is_in_a_loop_of_its_own_is_wedged_even_behind_another() -> None:
    """It would not get on if the other did."""
    own = waits("B/rank 0 > A/rank 0", "B/rank 0 > B/free page", "B/free page > B/rank 0")
    assert verdicts(wedge("A"), machine(stalled(), name="B", waiting=own)) == {"A": "wedged", "B": "wedged"}


def test_machines_that_wait_for_each_other_are_wedged() -> None:
    """A loop over several machines is a loop."""
    assert verdicts(behind("A", "B"), behind("B", "A")) == {"A": "wedged", "B": "wedged"}


def test_who_waits_for_a_machine_that_is_well_is_wedged_itself() -> None:
    """C answers everybody else: it is not C that is to blame."""
    assert verdicts(behind("A", "C"), machine(program(), name="C")) == {"A": "wedged", "C": "healthy"}


def test_names_that_begin_alike_are_two_machines() -> None:
    """A1 is not A10, whose loop is its own."""
    assert verdicts(behind("A1", "A10"), wedge("A10")) == {"A1": "blocked", "A10": "wedged"}


def test_behind_one_who_is_undecided_everybody_is() -> None:
    """What that machine's timer does may help both."""
    timers = [timer("fragment time-out", HEALED_NS - 1, NEVER)]
    told = {"A": "undecided", "B": "undecided"}
    assert verdicts(machine(stalled(), timers=timers), behind("B", "A")) == told
    assert verdicts(behind("B", "A"), machine(stalled(), timers=timers)) == told


def test_who_waits_for_a_machine_with_a_timer_to_come_is_undecided() -> None:
    """A has finished, and what it said last is still to be sent again; then it is sent, and B has had its chance."""
    done = program(finished=True)
    for fired_ns, told in ((HEALED_NS - 1, "undecided"), (HEALED_NS, "wedged")):
        timers = [timer("TCP retransmission", fired_ns, NEVER)]
        assert verdicts(machine(done, timers=timers), behind("B", "A"))["B"] == told


def test_the_bad_words_are_those_that_no_scenario_may_come_to_unexpected() -> None:
    """A blocked machine is another's victim: that other one is what is wrong."""
    assert {str(verdict) for verdict in BAD} == {"lost-data", "oom-killed", "killed", "wedged", "livelocked"}


# -- the times ----------------------------------------------------------------------------------------------------------


def test_the_longest_stall_is_told_with_its_beginning() -> None:
    """Of all programs; the one that lasts counts up to now."""
    short, long = (seconds(3), seconds(5)), (STALLED_NS, AFTER_NS)
    one = judged(program("rank 0", stalls=[short]), program("rank 1", stalls=[long, short]))
    assert (one.stalled_at_ns, one.stalled_ns) == (long[0], long[1] - long[0])
    still = judged(program("rank 0", stalls=[long]), stalled("rank 1", HEALED_NS))
    assert (still.stalled_at_ns, still.stalled_ns) == (HEALED_NS, NOW_NS - HEALED_NS)


def test_of_two_equal_stalls_the_first_is_told() -> None:
    """It is where to look for the cause."""
    stalls = [(seconds(40), seconds(45)), (seconds(30), seconds(35))]
    assert judged(program(stalls=stalls)).stalled_at_ns == seconds(30)


def test_recovery_is_counted_from_the_last_heal_to_the_first_progress() -> None:
    """The first progress of a program that stood still at the heal."""
    later = (STALLED_NS, AFTER_NS + seconds(5))
    faults = [(BEGUN_NS, HEALED_NS), (BEGUN_NS, HEALED_NS - seconds(3))]
    both = judged(program("rank 0", stalls=[later]), program("rank 1", stalls=[(STALLED_NS, AFTER_NS)]), faults=faults)
    assert both.recovered_after_ns == AFTER_NS - HEALED_NS


@pytest.mark.parametrize(
    "stalls",
    [[], [(seconds(11), HEALED_NS - 1)], [(HEALED_NS + 1, AFTER_NS)]],
    ids=["no stall", "over before the heal", "begun after the heal"],
)
def test_who_did_not_stand_still_at_the_heal_recovered_after_no_time(stalls: list[Stall]) -> None:
    """There is nothing to count."""
    assert judged(program(stalls=stalls)).recovered_after_ns is None


@pytest.mark.parametrize(
    ("stall", "verdict"),
    [
        ((seconds(11), HEALED_NS - 1), Verdict.HEALTHY),
        ((seconds(11), HEALED_NS), Verdict.RECOVERED),
        ((HEALED_NS + 1, AFTER_NS), Verdict.RECOVERED),
        ((0, BEGUN_NS - 1), Verdict.HEALTHY),
    ],
    ids=["over while the fault lasted", "over at the heal", "begun after the heal", "over before the fault"],
)
def test_who_got_on_before_any_heal_has_not_recovered_from_it(stall: Stall, verdict: Verdict) -> None:
    """A stall that ends while the fault lasts says that the fault was no hindrance."""
    assert judged(program(stalls=[stall])).verdict == verdict


def test_who_got_on_after_the_first_of_two_heals_has_recovered() -> None:
    """Even if the second fault has not ended, or did not stop it."""
    stall = (STALLED_NS, AFTER_NS)
    for end_ns in (None, NOW_NS - seconds(1)):
        faults = [(BEGUN_NS, HEALED_NS), (AFTER_NS + seconds(5), end_ns)]
        assert judged(program(stalls=[stall]), faults=faults).verdict == Verdict.RECOVERED


@pytest.mark.parametrize("how", ["down", "paused"])
def test_of_a_machine_that_is_down_or_paused_nothing_can_be_said(how: str) -> None:
    """It is neither healthy nor wedged, whatever its programs were when it stopped."""
    for one in (program(), stalled(), program(finished=True)):
        assert judged(one, **{how: True}).verdict == Verdict.UNDECIDED


def test_nobody_has_recovered_from_a_stall_that_a_crash_has_ended() -> None:
    """It was a stall all the same, and is told."""
    told = judged(program(unended=[(STALLED_NS, AFTER_NS)], stalls=[(seconds(11), seconds(13))]))
    assert told.verdict == Verdict.HEALTHY
    assert told.recovered_after_ns is None
    assert (told.stalled_at_ns, told.stalled_ns) == (STALLED_NS, AFTER_NS - STALLED_NS)


def test_who_is_wedged_has_not_recovered() -> None:
    """Nor who cannot be judged."""
    assert judged(stalled()).recovered_after_ns is None
    assert judged(stalled(), faults=[(BEGUN_NS, None)]).recovered_after_ns is None


# -- the reason ---------------------------------------------------------------------------------------------------------


def test_the_reason_is_a_story_with_the_loop_and_who_waits_outside() -> None:
    """Each program, then what it waits for; then what was dropped and what could not be sent."""
    sentences = {
        "A/rank 0": "rank 0 waits for a free page",
        "A/free page": "a free page: free 272",
        "A/queues": "595 pages are held by the service",
        "A/service 0": "service 0 waits for its own page 29",
    }
    nodes = waits(
        "A/rank 0 > A/free page",
        "A/free page > A/queues",
        "A/queues > A/service 0",
        "A/service 0 > A/free page",
        sentences=sentences,
    )
    one = machine(stalled(), stalled("service 0"), waiting=nodes, dropped={"ring-empty": 7, "demux": 0}, tx_no_memory=3)
    cluster = state(one)
    told = reason(cluster, "A", judge(cluster, STALL_AFTER_NS)["A"], recovery(cluster))
    assert told == [
        "A wedged at 12.000 s; the last fault ended at 20.000 s",
        "  rank 0 waits for a free page  (outside the loop)",
        "  a free page: free 272",
        "  595 pages are held by the service",
        "  service 0 waits for its own page 29",
        "  frames dropped here: 7 ring-empty",
        "  3 transmissions failed for want of memory",
    ]


def test_without_a_loop_nobody_is_outside_of_it() -> None:
    """The chain is told as it is; without any fault none is spoken of."""
    cluster = state(machine(stalled()), faults=[])
    told = reason(cluster, "A", judge(cluster, STALL_AFTER_NS)["A"], recovery(cluster))
    assert told == ["A wedged at 12.000 s", "  A/rank 0", "  A/free page"]


def test_the_graph_of_the_cluster_joins_those_of_its_machines() -> None:
    """A node carries its sentence; an edge may lead to another machine."""
    graph = wait_graph(state(behind("B", "A"), wedge("A")))
    assert set(graph.edges) == {
        ("B/rank 0", "A/rank 0"),
        ("A/rank 0", "A/free page"),
        ("A/free page", "A/rank 0"),
    }
    assert all("sentence" in data for _, data in graph.nodes(data=True))


# -- small scenarios ----------------------------------------------------------------------------------------------------

FLOODED = seed(stop="40s", timeline=outage("2s", "2s"))


def test_a_wedge_is_undecided_until_it_can_be_said(netswap: Open) -> None:
    """During the outage, and after it until a retransmission has gone by; from then on it is a wedge for good."""
    cluster = netswap(FLOODED)
    seen = [cluster["A"].verdict]
    while cluster.now_ns < seconds(40):
        cluster.run_for(milliseconds(250))
        verdict = cluster["A"].verdict
        if verdict != seen[-1]:
            seen.append(verdict)
        assert verdict != "wedged" or cluster.now_ns >= seconds(4) + STALL_AFTER_NS
    assert seen[-2:] == ["undecided", "wedged"]
    assert set(seen) == {"undecided", "healthy", "wedged"}


@pytest.mark.parametrize("stop", ["2100ms", "3s", "3900ms", "4100ms", "4900ms"])
def test_too_short_a_run_of_the_same_scenario_is_undecided(netswap: Open, stop: str) -> None:
    """Never healthy: A stopped when the outage began."""
    assert netswap(FLOODED, set={"stop": stop}).run()["A"].verdict == "undecided"


def test_an_outage_without_end_is_undecided_however_long_the_run(netswap: Open) -> None:
    """What would happen after it is not known; with the reserve it is no different."""
    for safeguards in ("none", "reserve"):
        text = seed(stop="40s", timeline="[{at: 2s, partition: [C], for: ever}]", safeguards=safeguards)
        assert netswap(text).run()["A"].verdict == "undecided"


def test_an_empty_receive_is_no_stall(netswap: Open) -> None:
    """A service that nobody talks to, a flood before its time, a server without requests, a watchdog between beats."""
    text = """\
title: nothing to do
stop: 20s
machines:
  A: {memory: 64MiB, programs: [{service: {port: 9000}}]}
  B: {memory: 64MiB, programs: [{flood: {to: "A:9000", rate: 1Mbit/s, payload: 100B, from: 19s}}]}
  C: {memory: 64MiB, programs: [swap-server: {}]}
  D: {memory: 64MiB, programs: [heartbeat: {every: 7s}]}
"""
    views = netswap(text).run().views()
    assert {name: str(view.verdict) for name, view in views.items()} == dict.fromkeys("ABCD", "healthy")
    assert [view.stalled_ns for view in views.values()] == [0] * 4


def test_a_rank_that_has_done_its_steps_is_finished(netswap: Open) -> None:
    """And one that still works beside it keeps the machine from being so."""
    text = """\
title: steps
stop: 2s
machines:
  A: {memory: 64MiB, programs: [rank: {working_set: 1MiB, touch: 1MiB, compute: 10ms, steps: 3}]}
  B:
    memory: 64MiB
    programs:
      - rank: {working_set: 1MiB, touch: 1MiB, compute: 10ms, steps: 3}
      - rank: {working_set: 1MiB, touch: 1MiB, compute: 10ms}
"""
    cluster = netswap(text).run()
    assert (cluster["A"].verdict, cluster["B"].verdict) == ("finished", "healthy")


def test_a_rank_that_computes_for_long_is_never_wedged(netswap: Open) -> None:
    """It waits for nothing that anybody could give it."""
    text = "title: long\nstop: 30s\nmachines: {A: {programs: [rank: {working_set: 1MiB, touch: 4KiB, compute: 7s}]}}\n"
    cluster = netswap(text)
    assert not cluster.run_until("A is wedged", every=milliseconds(500))


def test_a_link_that_stays_slow_makes_a_machine_slow(netswap: Open) -> None:
    """Not so slow as to stall: every page takes twenty times as long as before."""
    cluster = netswap(seed(stop="20s"), set={"machines.B.programs": []})
    cluster.run_for(seconds(8))
    with cluster.slow("C", "A", latency=milliseconds(100)):
        cluster.run_for(seconds(12))
        assert cluster["A"].verdict == "slow"
        assert cluster["A"].stalled_ns == 0


def test_nobody_is_ill_in_a_quiet_cluster(netswap: Open) -> None:
    """Swapping alone does no harm."""
    views = netswap(seed(stop="3s"), set={"machines.B.programs": []}).run().views()
    assert {str(view.verdict) for view in views.values()} == {"healthy"}


# -- the run's own verdict ----------------------------------------------------------------------------------------------

QUIET = {"machines.B.programs": [], "stop": "3s"}


@pytest.mark.parametrize("claim", ["A is recovered", "A is not wedged", "A.reserve_used_max < 10"])
def test_a_claim_about_a_reserve_that_was_never_touched_is_vacuous(netswap: Open, claim: str) -> None:
    """Whether it is met or not: it proves nothing."""
    result = netswap(seed(), safeguards="reserve", expect=[claim], set=QUIET).run().result()
    assert (result.verdict, result.exit_status) == ("vacuous", 1)


@pytest.mark.parametrize("claim", ["A is healthy", "A.lost_pages == 0", "C is not wedged"])
def test_a_claim_about_something_else_is_not_vacuous(netswap: Open, claim: str) -> None:
    """Or about a machine that has no reserve."""
    result = netswap(seed(), safeguards="reserve", expect=[claim], set=QUIET).run().result()
    assert (result.verdict, result.exit_status) == ("ok", 0)


def test_without_a_reserve_nothing_is_claimed_of_one(netswap: Open) -> None:
    """The same claim, without the safeguard."""
    result = netswap(seed(), expect=["A is not wedged"], set=QUIET).run().result()
    assert (result.verdict, result.exit_status) == ("ok", 0)


def test_a_reserve_that_was_used_proves_something(netswap: Open) -> None:
    """The flood needs it during the outage."""
    text = seed(stop="8s", timeline=outage("2s", "2s"), safeguards="reserve")
    result = netswap(text, expect=["A is recovered", "A.reserve_used_max > 0"]).run().result()
    assert (result.verdict, result.exit_status) == ("ok", 0)
