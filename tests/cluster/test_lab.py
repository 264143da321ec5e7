"""A cluster in one's hands: the fixture `netswap`, time, faults as verbs, and what can be seen."""

import gc
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from scenes import outage, seed

from netswap.actors.counters import CAUSES, COUNTERS
from netswap.cluster.lab import Cluster, Undo, open_cluster
from netswap.cluster.pytest_plugin import Open
from netswap.cluster.scenario import ScenarioError
from netswap.protocol.units import mib, milliseconds, seconds

ROOT = Path(__file__).parents[2]
EXAMPLE = "configs/three-machines.yaml"
FLOOD_NS = seconds(1)
SCENE = seed(stop="4s", flood_from="1s")
LATENCY_NS = milliseconds(2)


@pytest.fixture
def cluster(netswap: Open) -> Cluster:
    """The seed's cast, at time 0, without any fault."""
    return netswap(SCENE)


@pytest.fixture
def busy(netswap: Open) -> Cluster:
    """The same when A swaps; the flood, which is about to begin, is too slow to do harm."""
    cluster = netswap(SCENE, set={"machines.B.programs.0.flood.rate": "1Mbit/s"})
    cluster.run_for(FLOOD_NS - milliseconds(1))
    assert cluster["A"].pages_in > 0
    return cluster


# -- opening ------------------------------------------------------------------------------------------------------------


class TestOpen:
    """A file or a text, and what is said differently."""

    def test_a_path_is_relative_to_the_root_of_the_project(
        self, netswap: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Wherever pytest was started."""
        monkeypatch.chdir(tmp_path)
        assert netswap(EXAMPLE).scenario.path == ROOT / EXAMPLE

    def test_a_text_of_several_lines_is_a_scenario(self, netswap: Open) -> None:
        """It has no path; names stand in its order."""
        cluster = netswap(SCENE)
        assert cluster.scenario.path is None
        assert list(cluster) == ["A", "B", "C"]

    def test_keywords_replace_keys_of_the_top_level_and_set_reaches_further_in(self, netswap: Open) -> None:
        """The file's words stay where nothing else is said."""
        resolved = netswap(
            EXAMPLE, safeguards="reserve", seed=7, timeline=[], set={"machines.A.memory": "64MiB", "stop": "9s"}
        ).scenario.resolved()
        a = resolved.machines[0]
        assert (a.memory, resolved.seed, resolved.stop_ns) == (mib(64), 7, seconds(9))
        assert a.policy.drop_at_demux
        assert resolved.timeline == ()
        assert resolved.title == "three machines, one outage"

    @pytest.mark.parametrize(
        ("how", "message"),
        [
            ({"stpo": "9s"}, 'unknown key "stpo"; did you mean "stop"'),
            ({"set": {"machines.A.memroy": "1GiB"}}, 'unknown key "memroy" in machines.A; did you mean "memory"'),
            ({"set": {"machines.D.memory": "1GiB"}}, 'there is no machine "D"'),
            ({"safeguards": "resreve"}, 'did you mean "reserve"'),
        ],
    )
    def test_what_is_wrong_is_told_as_on_the_command_line(
        self, netswap: Open, how: dict[str, object], message: str
    ) -> None:
        """With what would be right."""
        with pytest.raises(ScenarioError, match=re.escape(message)):
            netswap(SCENE, **how)

    def test_an_unknown_engine_is_not_taken_for_ray(self) -> None:
        """Ray is started only by who asks for it."""
        with pytest.raises(ValueError, match='no exchange "cals": write connections or calls'):
            open_cluster(SCENE, exchange="cals")
        with pytest.raises(ValueError, match='no engine "in-line": write inline or ray'):
            open_cluster(SCENE, engine="in-line")

    @pytest.mark.parametrize("first", [0, 1])
    def test_the_garbage_collector_is_as_it_was_once_all_are_closed(self, first: int) -> None:
        """In whatever order."""
        before = gc.get_threshold()
        clusters = [open_cluster(SCENE), open_cluster(SCENE)]
        clusters[first].close()
        clusters[first].close()
        assert gc.get_threshold() != before
        clusters[1 - first].close()
        assert gc.get_threshold() == before

    def test_two_clusters_know_nothing_of_each_other(self, netswap: Open) -> None:
        """A fault in one is none in the other."""
        one, other = netswap(SCENE), netswap(SCENE)
        with one.partition("C"):
            one.run_for(seconds(1))
        other.run_for(seconds(1))
        assert one.frames()["dropped"]["partition"] > 0
        assert "partition" not in other.frames()["dropped"]


# -- time ---------------------------------------------------------------------------------------------------------------


class TestTime:
    """run_for, run_to, run, run_until."""

    def test_running_for_a_time_stops_before_the_events_of_its_end(self, cluster: Cluster) -> None:
        """The flood's first frame belongs to the nanosecond after."""
        assert cluster.run_for(FLOOD_NS).now_ns == FLOOD_NS
        assert cluster["B"].progress == 0
        assert cluster.run_for(1).now_ns == FLOOD_NS + 1
        assert cluster["B"].progress > 0

    def test_running_for_no_time_does_nothing(self, busy: Cluster) -> None:
        """Not even to the events of this moment."""
        before = busy.state()
        assert busy.run_for(0).state() == before

    def test_a_run_ends_at_the_stop_of_the_scenario(self, cluster: Cluster) -> None:
        """Then it is over, and to run again does nothing."""
        assert cluster.run().now_ns == seconds(4)
        before = cluster.digest()
        assert cluster.run().digest() == before

    def test_a_test_may_go_on_behind_the_stop(self, cluster: Cluster) -> None:
        """`stop` is where `run` and `run_until` end, and no wall; to run does not lead back."""
        progress = cluster.run_to(seconds(4))["B"].progress
        assert cluster.run_for(seconds(1)).now_ns == seconds(5)
        assert cluster["B"].progress > progress
        assert cluster.run().now_ns == seconds(5)

    @pytest.mark.parametrize("back_ns", [1, FLOOD_NS])
    def test_time_does_not_run_back(self, cluster: Cluster, back_ns: int) -> None:
        """The error says where we are; the cluster stays there."""
        cluster.run_for(FLOOD_NS)
        with pytest.raises(ValueError, match=f"cannot run back to {FLOOD_NS - back_ns} ns; it is {FLOOD_NS} ns"):
            cluster.run_for(-back_ns)
        with pytest.raises(ValueError, match="cannot run back"):
            cluster.run_to(FLOOD_NS - back_ns)
        assert cluster.now_ns == FLOOD_NS

    def test_running_until_a_condition_stops_at_the_first_look_that_sees_it(self, cluster: Cluster) -> None:
        """It looks every so often, beginning now."""
        every = milliseconds(7)
        assert cluster.run_until("B.progress > 0", every=every)
        assert cluster.now_ns == (FLOOD_NS // every + 1) * every
        assert cluster.run_until("B.progress > 0")
        assert cluster.now_ns == (FLOOD_NS // every + 1) * every

    def test_a_condition_may_be_a_function_of_the_cluster(self, cluster: Cluster) -> None:
        """For what no sentence says."""
        assert cluster.run_until(lambda one: one["A"].free_pages < one["C"].free_pages and one.now_ns > 0)
        assert cluster.now_ns == milliseconds(10)

    def test_a_condition_that_never_holds_is_false_at_the_stop_or_within_a_time(self, cluster: Cluster) -> None:
        """The last look is at the very end."""
        assert not cluster.run_until("A is oom-killed", within=milliseconds(25))
        assert cluster.now_ns == milliseconds(25)
        assert not cluster.run_until("A is oom-killed", every=seconds(3))
        assert cluster.now_ns == seconds(4)

    @pytest.mark.parametrize(
        ("condition", "message"),
        [
            ("D is wedged", "no machine 'D' in this cluster, which has A, B, C"),
            ("A is weged", 'no verdict "weged"; did you mean "wedged"'),
            ("A.free_page < 300", 'no counter "free_page"; did you mean "free_pages"'),
            ("A wedges", "NAME is [not] VERDICT"),
        ],
    )
    def test_a_condition_that_cannot_be_read_is_an_error_at_once(
        self, cluster: Cluster, condition: str, message: str
    ) -> None:
        """And no endless wait."""
        with pytest.raises(ValueError, match=re.escape(message)):
            cluster.run_until(condition)
        assert cluster.now_ns == 0

    def test_time_has_to_pass_between_two_looks(self, cluster: Cluster) -> None:
        """Otherwise it would never end."""
        with pytest.raises(ValueError, match="time has to pass"):
            cluster.run_until("A is wedged", every=0)


# -- faults -------------------------------------------------------------------------------------------------------------


def answered(cluster: Cluster) -> int:
    """Page-ins and page-outs of A that C has answered, and A has seen it."""
    a = cluster["A"]
    return int(a.pages_in + a.pages_out)


def when_replies_are_under_way(cluster: Cluster) -> int:
    """Run until there are; how many."""
    assert cluster.run_until(lambda one: one.links()["C>A"]["under_way"] > 0, every=LATENCY_NS // 20)
    return int(cluster.links()["C>A"]["under_way"])


def dropped(cluster: Cluster, cause: str = "partition") -> dict[str, int]:
    """Frames that each link has lost to a cause, if any."""
    return {name: link["dropped"][cause] for name, link in cluster.links().items() if cause in link["dropped"]}


class TestFaults:
    """Each verb begins a fault and returns what ends it."""

    def test_a_partition_loses_what_would_arrive_in_either_direction(self, busy: Cluster) -> None:
        """Those that are not named are a group too; within a group all is well."""
        replies = when_replies_are_under_way(busy)
        with busy.partition({"C"}):
            busy.run_for(seconds(2))
            lost = dropped(busy)
            assert set(lost) == {"A>C", "C>A"}
            assert lost["C>A"] == replies
            assert busy.links()["B>A"]["delivered"] > 0
            assert busy["A"].waits_for("a reply from C")
        busy.run_for(seconds(2))
        assert dropped(busy)["C>A"] == lost["C>A"]

    def test_a_cut_loses_one_direction(self, busy: Cluster) -> None:
        """The requests arrive, the replies do not."""
        when_replies_are_under_way(busy)
        done = busy["C"].progress
        with busy.cut("C", "A"):
            busy.run_for(seconds(2))
        assert set(dropped(busy)) == {"C>A"}
        assert busy["C"].progress > done

    def test_what_is_held_waits_and_is_delivered_at_the_release(self, busy: Cluster) -> None:
        """Nothing is lost; the replies come all at once when they may."""
        when_replies_are_under_way(busy)
        seen, before = answered(busy), busy.links()["C>A"]["delivered"]
        held = busy.hold("C", "A")
        busy.run_for(milliseconds(500))
        assert answered(busy) == seen
        waiting = busy.links()["C>A"]["under_way"]
        held.release()
        busy.run_for(1)
        link = busy.links()["C>A"]
        assert link["delivered"] == before + waiting
        assert not link["dropped"]
        assert answered(busy) > seen

    def test_one_kind_of_packet_can_be_held(self, busy: Cluster) -> None:
        """Page-ins go on while page-outs wait."""
        before = busy["A"]
        with busy.hold("A", "C", only="page-out"):
            busy.run_for(3 * LATENCY_NS)
            settled = busy["A"].pages_out
            busy.run_for(milliseconds(50))
            assert busy["A"].pages_out == settled
            assert busy["A"].pages_in > before.pages_in

    def test_a_slow_link_takes_as_long_as_was_said(self, busy: Cluster) -> None:
        """A reply that leaves now is there after that time, and not before."""
        with busy.slow("C", "A", latency=seconds(1)):
            busy.run_for(LATENCY_NS)  # what had left before keeps the fate it had
            seen = answered(busy)
            busy.run_for(seconds(1) - LATENCY_NS)
            assert answered(busy) == seen
            busy.run_for(seconds(1))
            assert answered(busy) > seen

    def test_shares_of_everything_are_of_each_frame(self, busy: Cluster) -> None:
        """All lost, all doubled, and none of it."""
        before = busy.links()["A>C"]
        with busy.duplicate("A", "C", rate_ppm=1_000_000):
            busy.run_for(milliseconds(100))
        after = busy.links()["A>C"]
        assert after["duplicated"] == after["sent"] - before["sent"] > 0

        with busy.lossy("A", "C", rate_ppm=1_000_000):
            busy.run_for(milliseconds(100))
        lossy = busy.links()["A>C"]
        assert dropped(busy, "link-loss") == {"A>C": lossy["sent"] - after["sent"]}
        with busy.lossy("B", "A", rate_ppm=0):
            busy.run_for(milliseconds(100))
        assert dropped(busy, "link-loss") == {"A>C": lossy["sent"] - after["sent"]}

    def test_damaged_frames_arrive_and_are_dropped_by_the_receiver(self, busy: Cluster) -> None:
        """Its checksum finds out; the memory is free at once."""
        before = busy["A"]
        with busy.corrupt("B", "A", rate_ppm=1_000_000):
            busy.run_for(milliseconds(500))
            link = busy.links()["B>A"]
        assert busy["A"].dropped["corrupt"] - before.dropped["corrupt"] == link["delivered"] > 0
        assert busy["A"].socket_frames == before.socket_frames

    @pytest.mark.parametrize("end", ["heal", "mend", "release", "restart", "resume"])
    def test_a_fault_is_ended_by_any_of_its_words_and_a_second_time_does_nothing(self, busy: Cluster, end: str) -> None:
        """A caller that ends a fault twice meant to be sure."""
        cut = busy.cut("C", "A")
        busy.run_for(milliseconds(100))
        getattr(cut, end)()
        [*_, fault] = busy.state().faults
        ended = busy.run_for(milliseconds(100)).state().faults
        getattr(cut, end)()
        assert busy.state().faults == ended == [fault]
        assert fault == ("cut", {"from": [2], "to": [0]}, FLOOD_NS - milliseconds(1), FLOOD_NS + milliseconds(99))

    def test_overlapping_faults_end_one_by_one(self, busy: Cluster) -> None:
        """A link is whole again when the last of them has ended."""
        apart = busy.partition("C")
        busy.run_for(LATENCY_NS)
        seen = answered(busy)
        with busy.cut("C", "A"), busy.cut("C", "A"):
            busy.run_for(seconds(1))
            apart.heal()
            busy.run_for(seconds(1))
            assert dropped(busy)["C>A"] > 0
            assert answered(busy) == seen
        busy.run_for(seconds(9))  # the longest time between two retransmissions
        assert answered(busy) > seen

    def test_all_faults_by_hand_can_be_ended_at_once(self, busy: Cluster) -> None:
        """Those that were ended already keep their end."""
        first = busy.cut("A", "C")
        busy.hold("B", "A")
        busy.run_for(milliseconds(1))
        first.heal()
        busy.run_for(milliseconds(1))
        busy.heal()
        assert [end_ns for *_, end_ns in busy.state().faults] == [FLOOD_NS, FLOOD_NS + milliseconds(1)]
        busy.heal()

    def test_a_fault_ends_with_its_block_even_if_that_fails(self, busy: Cluster) -> None:
        """A test that goes wrong leaves no cluster apart behind."""
        with pytest.raises(ZeroDivisionError), busy.partition("C"):
            raise ZeroDivisionError
        assert busy.state().faults[-1][-1] == busy.now_ns

    def test_names_may_be_one_several_or_a_counted_machine(self, netswap: Open) -> None:
        """A counted name means all of them."""
        cluster = netswap("title: names\nstop: 1s\nmachines: {A: {count: 3}, B: {}, C: {}}\n")
        cluster.cut("A", "B")
        cluster.cut({"A1", "C"}, ["B"])
        cluster.partition({"A", "B"})
        cluster.cut("A", "A")
        said = [args for _, args, _, _ in cluster.state().faults]
        assert said == [
            {"from": [0, 1, 2], "to": [3]},
            {"from": [1, 4], "to": [3]},
            {"groups": [[0, 1, 2, 3], [4]]},
            {"from": [0, 1, 2], "to": [0, 1, 2]},
        ]


Misuse = Callable[[Cluster], Undo]
MISUSE: dict[str, tuple[Misuse, str]] = {
    "an unknown machine apart": (lambda one: one.partition({"D"}), "no machine 'D' in this cluster, which has A, B, C"),
    "an unknown end": (lambda one: one.cut("C", "a"), "no machine 'a'"),
    "nobody on the other side": (lambda one: one.partition({"A", "B", "C"}), "nobody is on the other side"),
    "a machine in two groups": (lambda one: one.partition({"A", "C"}, {"C"}), "in two groups"),
    "a machine cut from itself": (lambda one: one.cut("A", "A"), "same machine"),
    "an unknown kind of packet": (lambda one: one.hold("A", "C", only="page-outs"), "only udp, page-out,"),
    "faster than the lookahead": (
        lambda one: one.slow("A", "C", latency=LATENCY_NS - 1),
        f"below the smallest in the scenario, {LATENCY_NS} ns",
    ),
    "a jitter back in time": (lambda one: one.slow("A", "C", jitter=-1), "jitter is 0 or more"),
    "no bandwidth": (lambda one: one.slow("A", "C", bandwidth=0), "bandwidth 1 or more"),
    "a slow that is as fast": (lambda one: one.slow("A", "C"), "changes nothing"),
    "more than everything": (lambda one: one.lossy("A", "C", rate_ppm=1_000_001), "from 0 to 1000000"),
    "less than nothing": (lambda one: one.duplicate("A", "C", rate_ppm=-1), "from 0 to 1000000"),
    "a crash of nobody": (lambda one: one.crash("D"), "no machine 'D'"),
    "a slow disk where there is none": (lambda one: one.slow_disk("A", latency=1), "A has no disk"),
    "a disk that knows beforehand": (lambda one: one.slow_disk("C", latency=-1), "0 or more"),
    "damaged more than once": (lambda one: one.corrupt("A", "C", rate_ppm=2_000_000), "from 0 to 1000000"),
    "reordered from nowhere": (lambda one: one.reorder("D", "C", rate_ppm=1), "no machine 'D'"),
}


@pytest.mark.parametrize("name", MISUSE)
def test_a_fault_that_makes_no_sense_is_an_error_and_none_begins(cluster: Cluster, name: str) -> None:
    """The error says what would be right, as in a timeline."""
    misuse, message = MISUSE[name]
    with pytest.raises(ValueError, match=re.escape(message)):
        misuse(cluster)
    assert cluster.state().faults == []


# -- what can be seen ---------------------------------------------------------------------------------------------------


class TestViews:
    """`cluster["A"]`: one machine as it is now."""

    def test_counters_are_attributes(self, busy: Cluster) -> None:
        """All of them, as documented; drops by cause are a mapping, and counters with a dot."""
        a = busy["A"]
        assert a.name == "A"
        assert set(a.counters) == {*COUNTERS, *(f"dropped.{cause}" for cause in CAUSES)}
        assert {name: getattr(a, name) for name in COUNTERS} == {name: a.counters[name] for name in COUNTERS}
        assert a.dropped == {cause: a.counters[f"dropped.{cause}"] for cause in CAUSES}

    def test_what_is_no_counter_is_an_attribute_error(self, busy: Cluster) -> None:
        """hasattr works as it should."""
        with pytest.raises(AttributeError, match="no counter 'free_page'"):
            _ = busy["A"].free_page
        assert not hasattr(busy["A"], "free_page")

    def test_an_unknown_machine_is_a_key_error_that_names_those_there_are(self, cluster: Cluster) -> None:
        """As everywhere."""
        with pytest.raises(KeyError, match="no machine 'D' in this cluster, which has A, B, C"):
            _ = cluster["D"]

    def test_a_view_is_of_the_moment_at_which_it_was_taken(self, busy: Cluster) -> None:
        """What happens later is seen by who looks again."""
        before = busy["A"]
        read, free = before.pages_in, before.free_pages
        busy.run_for(milliseconds(200))
        assert (before.pages_in, before.free_pages) == (read, free)
        assert busy["A"].pages_in > read

    def test_the_verdict_is_of_this_moment_too(self, netswap: Open) -> None:
        """Healthy, undecided while C is away, and recovered."""
        cluster = netswap(SCENE, safeguards="reserve", set={"machines.B.programs": []})
        assert cluster.run_for(seconds(1))["A"].verdict == "healthy"
        with cluster.partition("C"):
            assert cluster.run_for(seconds(2))["A"].verdict == "undecided"
        assert cluster.run_for(seconds(3))["A"].verdict == "recovered"
        a = cluster["A"]
        assert a.stalled_at_ns is not None
        assert a.recovered_after_ns is not None
        assert seconds(3) + a.recovered_after_ns == a.stalled_at_ns + a.stalled_ns

    def test_programs_are_seen_by_name(self, busy: Cluster) -> None:
        """Each with its own progress, of which the machine's is the sum."""
        a = busy["A"]
        assert list(a.programs) == ["rank 0", "service 0"]
        assert sum(program["progress"] for program in a.programs.values()) == a.progress
        assert a.programs["service 0"]["idle"]

    def test_whom_a_machine_waits_for_is_said_by_any_node_on_the_way(self, busy: Cluster) -> None:
        """From its own tasks on; who waits for nobody waits for no text."""
        with busy.partition("C"):
            busy.run_for(seconds(1))
            a, b = busy["A"], busy["B"]
        assert a.waits_for("a reply from C")
        assert a.waits_for("rank 0 waits for")
        assert not a.waits_for("a reply from B")
        assert not b.waits_for("")

    def test_the_wait_for_graph_has_a_sentence_and_quantities_at_each_node(self, busy: Cluster) -> None:
        """And leads from a rank to the reply that does not come."""
        with busy.partition("C"):
            busy.run_for(seconds(1))
            graph = busy.waits()
        assert all(data["sentence"] and isinstance(data["quantities"], dict) for _, data in graph.nodes(data=True))
        assert graph.has_node("A/rank 0")
        assert graph.nodes["A/reply"]["sentence"] == "a reply from C"

    def test_frames_and_links_tell_the_same(self, busy: Cluster) -> None:
        """What links count adds up to what the cluster counts."""
        with busy.duplicate("B", "A", rate_ppm=500_000):
            busy.run_for(seconds(1))
        frames, links = busy.frames(), busy.links().values()
        for what in ("sent", "duplicated"):
            assert frames[what] == sum(link[what] for link in links)
        for link in links:
            lost = sum(link["dropped"].values())
            assert link["sent"] + link["duplicated"] == link["delivered"] + lost + link["under_way"]
        settled = frames["delivered"] + sum(frames["dropped"].values()) + frames["under_way"]
        assert frames["sent"] + frames["duplicated"] == settled

    @pytest.mark.ray
    def test_on_ray_the_same_is_seen(self, netswap: Open) -> None:
        """Machines, links and faults, in the middle of an outage."""
        seen = []
        for engine in ("inline", "ray"):
            cluster = netswap(SCENE, engine=engine)
            cluster.run_for(milliseconds(600))
            cluster.partition("C")
            cluster.run_for(milliseconds(100))
            assert cluster["A"].waits_for("a reply from C")
            seen.append(cluster.state()._replace(windows=0))
            cluster.heal()
        assert seen[0] == seen[1]


# -- expectations and recordings ----------------------------------------------------------------------------------------


class TestCheck:
    """The scenario's `expect` is judged when a caller asks."""

    def test_nothing_is_judged_unasked(self, netswap: Open) -> None:
        """A run whose expectations are not met is run like any other."""
        cluster = netswap(SCENE, expect=["A is wedged", "B is healthy", "A.lost_pages > 3"]).run()
        with pytest.raises(AssertionError, match=r"^A is wedged: \w+; A\.lost_pages > 3: 0$"):
            cluster.check()

    def test_what_is_met_is_returned_with_what_was_seen(self, netswap: Open) -> None:
        """Judged at the moment at which it is asked."""
        cluster = netswap(SCENE, expect=["B.progress == 0"])
        assert [tuple(outcome) for outcome in cluster.run_for(FLOOD_NS).check()] == [("B.progress == 0", True, 0)]
        cluster.run_for(1)
        with pytest.raises(AssertionError, match=r"B\.progress == 0: [1-9]"):
            cluster.check()

    def test_without_expectations_no_machine_may_be_wedged(self, netswap: Open) -> None:
        """As on the command line, whose exit status a cluster knows as well."""
        cluster = netswap(seed(stop="20s", flood_from="1s", timeline=outage("1s", "1s"))).run()
        with pytest.raises(AssertionError, match=r"no machine is wedged, livelocked or killed: .*'A': 'wedged'"):
            cluster.check()
        assert cluster.result().exit_status == 1


class TestRecorded:
    """What was sent, for who has to find where two runs part."""

    def test_what_was_sent_is_had_only_if_it_was_recorded(self, cluster: Cluster) -> None:
        """Rather an error than a run that seems to have sent nothing."""
        with pytest.raises(ValueError, match="record=True"):
            cluster.sent()

    def test_a_recorded_run_is_the_same_run(self, netswap: Open) -> None:
        """To record disturbs nothing."""
        recorded, plain = netswap(SCENE, record=True).run(), netswap(SCENE).run()
        recorded.assert_same_as(plain)
        assert [bool(sent) for sent in recorded.sent()] == [True, True, True]


def test_a_flood_can_go_to_a_program_of_the_users_own(netswap):
    """Nobody can tell its ports beforehand: the one that is written is believed. 1 Mbit/s are a full frame each 12.304 ms."""
    cluster = netswap("""\
title: a program that listens
stop: 1s
machines:
  A: {memory: 16MiB, programs: [{"programs:Listener": {port: 7000}}]}
  B: {memory: 16MiB, programs: [{flood: {to: "A:7000", rate: 1Mbit/s, payload: 1472B}}]}
""")
    assert cluster.run()["A"].progress == -(-(10**9 - 100_000 - 12_304) // 12_304_000)
