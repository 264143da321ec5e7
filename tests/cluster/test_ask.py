"""`netswap ask`: which runs it makes, what it makes of their outcomes, and what it does not ask for want of a budget."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
from typer.testing import CliRunner

from netswap.cluster.command.app import app
from netswap.cluster.lab import open_cluster
from netswap.cluster.scenario import ScenarioError, load
from netswap.cluster.study import ask as asking
from netswap.cluster.study import subject
from netswap.cluster.study.ask import OUTAGES_S, Asking, Row, beforehand
from netswap.cluster.study.minimum import Answer, Question
from netswap.cluster.study.subject import Job, Outcome, Traffic, outlived, subject_of
from netswap.cluster.study.trials import Trials, values_of
from netswap.protocol.units import seconds

ROOT = Path(__file__).parents[2]
PAIR = str(ROOT / "examples" / "partition_test" / "pair.yaml")
QUIET = """title: nobody sends
stop: 5s
machines:
  A: {memory: 16MiB, programs: [{rank: {working_set: 4MiB, touch: 1MiB, compute: 20ms}}]}
"""
FLOODED = """title: no swap, and traffic
stop: 5s
machines:
  A:
    memory: 16MiB
    nic: {rate: 10Mbit/s}
    programs: [{service: {port: 9000, sockets: 2}}]
  B:
    programs: [{flood: {to: "A:9000", rate: 1Mbit/s, payload: 1472B}}]
"""


def of(text: str, folder: Path) -> str:
    """The path of a scenario with this text."""
    path = folder / "scenario.yaml"
    path.write_text(text)
    return str(path)


def outcome(verdict: str, *, cut: bool = False) -> Outcome:
    """Of a run that ended so."""
    return Outcome(verdict, 2_000_000_000, 1_000_000_000 if verdict == "recovered" else None, 10, 20, 0.5, 0.5, cut)


def test_the_subject_is_the_machine_that_swaps_with_its_servers_and_its_floods():
    found = subject_of(PAIR, ())
    assert (found.machine, found.servers, found.floods) == ("A", ("C",), (("B", 0),))
    assert found.line_bps == load(PAIR).words.machines["A"].nic.rate


def test_a_machine_that_is_not_there_is_an_error():
    with pytest.raises(ScenarioError, match='no machine "X"'):
        subject_of(PAIR, (), "X")


@pytest.mark.parametrize("traffic", Traffic)
def test_a_run_has_its_outage_and_its_traffic(traffic):
    """C away from 2 s to 12 s; the flood silent, as the file says, or at the rate of A's card."""
    resolved = load(PAIR, overrides=subject_of(PAIR, ()).settings(10, traffic)).resolved()
    (fault,) = resolved.timeline
    assert (fault.at_ns, fault.end_ns, fault.args["groups"][0]) == (2_000_000_000, 12_000_000_000, [2])
    (_, flood) = resolved.machines[1].programs[0]
    assert (flood["start_ns"] > resolved.stop_ns) == (traffic is Traffic.IDLE)
    own = load(PAIR).resolved().machines[1].programs[0][1]["rate"]
    assert flood["rate"] == (resolved.machines[0].nic_rate_bps if traffic is Traffic.LINE else own)


def test_the_questions_are_the_outages_with_and_without_traffic():
    runs, likely_s = beforehand(subject_of(PAIR, ()))
    assert runs == 2 * len(OUTAGES_S)
    assert likely_s > 0


def test_a_run_says_what_the_laboratory_says():
    """The same outage by hand, the flood from its middle on; a run that is decided ends before its stop."""
    seen = outlived(Job(subject_of(PAIR, ()), 1, Traffic.OWN, 100.0))
    outage = {"at": "2s", "partition": ["C"], "for": "1s"}
    begin = {"machines.B.programs.0.flood.from": "2500ms"}
    with open_cluster(PAIR, set=begin, timeline=[outage]) as cluster:
        cluster.run_to(seen.at_ns)
        assert cluster["A"].verdict == seen.verdict
    assert seen.at_ns < seen.stop_ns
    assert seen.ill != seen.well


def test_a_run_that_costs_more_than_its_share_is_not_decided():
    seen = outlived(Job(subject_of(PAIR, ()), 10, Traffic.IDLE, 0.0))
    assert seen.cut
    assert not seen.well
    assert not seen.ill


def test_traffic_alone_is_looked_at_for_as_long_as_nothing_else_ends_it(tmp_path):
    """10 Mbit/s are 4,000 frames in 5 s, and a million would end it sooner."""
    seen = outlived(Job(subject_of(of(FLOODED, tmp_path), ()), 0, Traffic.LINE, 100.0))
    assert seen.well
    assert seen.left_out_ns == 0
    assert seen.at_ns >= seconds(subject.OUTAGE_AT_S + subject.SETTLED_S)


@pytest.mark.parametrize(
    ("seen", "good", "words"),
    [
        (outcome("recovered"), True, "goes on 1.0 s after it"),
        (outcome("healthy"), True, "nothing comes to a stand"),
        (outcome("wedged"), False, "NO: A is wedged"),
        (outcome("undecided"), None, "not known"),
        (outcome("healthy", cut=True), None, "budget ended"),
    ],
)
def test_an_outcome_is_one_line(seen, good, words):
    row = asking._outage_row(subject_of(PAIR, ()), (10, Traffic.LINE), seen)
    assert row.good is good
    assert words in row.answer


def test_the_worst_is_the_shortest_outage_without_traffic_if_that_is_enough():
    ill, well = outcome("wedged"), outcome("recovered")
    assert asking._worst({(1, Traffic.IDLE): well, (10, Traffic.IDLE): ill, (10, Traffic.LINE): ill}) == (
        10,
        Traffic.IDLE,
    )
    assert asking._worst({(1, Traffic.LINE): ill, (10, Traffic.IDLE): ill}) == (1, Traffic.LINE)
    assert asking._worst({(1, Traffic.IDLE): well}) is None


def test_a_search_that_is_too_dear_is_not_made_and_says_how_to_make_it():
    told: list[Row] = []
    one = Asking(subject_of(PAIR, ()), budget_s=1.0, tell=told.append, processes=2)
    one.rows.append(Row("what went before", "", None, facts={"traffic": "line", "outage_s": 10, "whole_s": 100.0}))
    asking._min_free(one, (10, Traffic.LINE))
    asking._switches(one, (10, Traffic.LINE))
    assert [row.runs for row in told] == [0, 0]
    assert all("not asked" in row.answer for row in told)
    assert told[0].command.startswith("netswap minimum ")
    assert told[1].command.startswith("netswap remedies ")


def test_a_machine_without_a_swap_server_is_asked_about_its_traffic_alone(tmp_path):
    cells = list(asking._cells(subject_of(of(FLOODED, tmp_path), ())))
    assert cells == [(0, Traffic.LINE)]
    assert list(asking._cells(subject_of(of(QUIET, tmp_path), ()))) == [(0, Traffic.IDLE)]


def test_the_answers_are_one_json_object_and_a_page(tmp_path):
    """Without swap there is one run, and nothing that could be away."""
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["ask", of(QUIET, tmp_path), "--json", "--to", str(page)])
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["machine"] == "A"
    assert told["runs"] == sum(row["runs"] for row in told["rows"]) == 1
    assert "no server can be away" in told["rows"][0]["answer"]
    assert "what kernel would save it" in page.read_text()
    assert told["page"] == str(page)


def test_a_wrong_budget_is_an_error_of_the_input(tmp_path):
    assert CliRunner().invoke(app, ["ask", of(QUIET, tmp_path), "--budget", "much"]).exit_code == 2


@pytest.mark.slow
def test_a_pair_is_asked_all_there_is(tmp_path):
    """Idle it outlives every outage; under line rate none; something saves it."""
    done = CliRunner().invoke(app, ["ask", PAIR, "--json", "--budget", "1h", "--to", str(tmp_path / "page.html")])
    assert done.exit_code == 1, done.stderr
    rows = json.loads(done.stdout)["rows"]
    outages = [row for row in rows if "outage_s" in row["facts"]]
    assert all(row["good"] for row in outages if row["facts"]["traffic"] == "idle")
    assert not any(row["good"] for row in outages if row["facts"]["traffic"] == "line")
    assert any(row["good"] for row in rows if "would save it" in row["question"])


def test_the_same_is_asked_and_answered_however_slow_the_computer_is(monkeypatch):
    """The clock that CPU time is read from runs a thousand times as fast: all but that time is the same.

    With the limit on that clock, as it was, the second run would have been cut.
    """
    job = Job(subject_of(PAIR, ()), 1, Traffic.IDLE, 5.0)
    here = outlived(job)
    ticks = iter(range(0, 10**9, 1000))
    monkeypatch.setattr(subject, "process_time", lambda: next(ticks))
    slow = outlived(job)
    assert slow.cpu_s > job.limit_s
    assert here._replace(cpu_s=0.0) == slow._replace(cpu_s=0.0)
    assert 0 < here.work_s < job.limit_s


def test_a_search_tries_the_same_values_whatever_the_number_of_processors(monkeypatch):
    """Two values at a time: 8 values in two rounds after the ends."""
    tried: list[tuple[int, ...]] = []

    def values_of(trials, question, answer, more):
        def run(values):
            tried.append(tuple(values))
            return iter([(one, one >= 5) for one in values])

        return run

    monkeypatch.setattr(asking, "values_of", values_of)
    question = Question(PAIR, (), "machines.A.min_free", "A is not wedged", "MiB", 1)
    seen = []
    for processes in (1, 16):
        tried.clear()
        told: list[Row] = []
        one = Asking(subject_of(PAIR, ()), 100.0, told.append, processes)
        asking._smallest(one, "x", question, 8, (1, Traffic.LINE))
        assert told[0].facts["minimum"] == 5
        seen.append(list(tried))
    assert seen[0] == seen[1]


class Made:
    """Stands for a pool: each run ends with the verdict that `ends` says for its job."""

    def __init__(self, ends) -> None:
        self.ends, self.jobs = ends, []

    def as_they_come(self, work, jobs):
        """As `Pool.as_they_come`, in another order."""
        assert work is outlived
        self.jobs += jobs
        return [(number, self.ends(jobs[number])) for number in reversed(range(len(jobs)))]


def test_the_runs_of_a_search_share_what_is_left_and_end_when_they_are_decided():
    """Of 12 s, 10 runs get 1.2 s each; after two of 0.5 s each, 8 share 11 s."""
    pool = Made(lambda job: outcome("wedged" if job.more[0][1] == "1MiB" else "recovered"))
    trials = Trials(subject_of(PAIR, ()), 10, Traffic.LINE, 12.0, pool)
    assert dict(trials.make([(("key", "1MiB"),), (("key", "2MiB"),)], 10))[0].verdict == "wedged"
    assert [job.limit_s for job in pool.jobs] == pytest.approx([1.2, 1.2])
    list(trials.make([(("key", "3MiB"),)], 8))
    assert pool.jobs[-1].limit_s == pytest.approx(11 / 8)
    assert trials.work_s == pytest.approx(1.5)


@pytest.mark.parametrize(("until", "met"), [("A is wedged", [True, False]), ("A is not wedged", [False, True])])
def test_a_value_meets_what_is_asked_if_the_machine_ends_so(until, met):
    question = Question(PAIR, (), "machines.A.min_free", until, "MiB", 1)
    pool = Made(lambda job: outcome("wedged" if job.more[-1] == ("machines.A.min_free", "1MiB") else "recovered"))
    trials = Trials(subject_of(PAIR, ()), 10, Traffic.LINE, 12.0, pool)
    assert dict(values_of(trials, question, Answer(8))([1, 8])) == dict(zip([1, 8], met, strict=True))


def test_a_search_with_a_run_that_was_cut_knows_nothing(monkeypatch):
    monkeypatch.setattr(asking, "Pool", lambda processes: nullcontext(Made(lambda job: outcome("undecided", cut=True))))
    told: list[Row] = []
    one = Asking(subject_of(PAIR, ()), 1000.0, told.append, 2)
    asking._min_free(one, (10, Traffic.LINE))
    assert told[0].good is None
    assert "not known" in told[0].answer


def test_what_traffic_was_left_out_is_said():
    seen = outcome("recovered")._replace(left_out_ns=41_500_000_000)
    row = asking._outage_row(subject_of(PAIR, ()), (60, Traffic.LINE), seen)
    assert "41.5 s of traffic that changed nothing were left out" in row.answer
    assert row.facts["left_out_ns"] == 41_500_000_000
