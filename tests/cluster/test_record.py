"""What is recorded is what machines are and count, changes nothing, and can be read with no help of ours."""

from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as parquet
import pytest
from scenes import outage, seed

from netswap import open_cluster, open_run
from netswap.actors.counters import CAUSES
from netswap.actors.machine import Machine
from netswap.actors.trace import Frames, Trace
from netswap.cluster.lab import Cluster
from netswap.cluster.lab.runs import How, run, write_result
from netswap.cluster.pytest_plugin import Open
from netswap.cluster.record import record, recorder, store
from netswap.cluster.record.columns import OWNERS, STATES, TABLES, WHATS
from netswap.cluster.record.look import Look
from netswap.cluster.record.plan import EVERY_NS, Plan
from netswap.cluster.record.record import Record
from netswap.cluster.record.recorder import Recorder
from netswap.cluster.record.rows import Rows
from netswap.cluster.scenario import load
from netswap.protocol.frame import F_DESTINATION
from netswap.protocol.rpc import PAGE
from netswap.protocol.units import milliseconds, seconds

SCENE = seed(stop="3s", flood_from="1s", timeline=outage("1s", "1s"))
GUARDED = seed(stop="3s", flood_from="1s", timeline=outage("1s", "1s"), safeguards="reserve")
PAGES = (64 << 20) // PAGE
CROWD = """
title: many ranks, one server away for a while
stop: 400ms
network: {latency: 1ms}
machines:
  A:
    count: 20
    memory: 8MiB
    swap: {server: C, size: 32MiB}
    programs: [{rank: {working_set: 10MiB, touch: 1MiB, compute: 5ms}}]
  C: {programs: [{swap-server: {}}]}
timeline: [{at: 100ms, partition: [C], for: 100ms}]
record: {every: 20ms}
"""


class Listener(Trace):
    """Hears of every frame lost and of every mark crossed: (ns, machine, what) of each."""

    hears = frozenset({"frames", "marks"})

    def __init__(self) -> None:
        self.drops: dict[tuple[int, str], int] = {}
        self.below: set[tuple[int, int, str, int]] = set()

    def _lost(self, machine: int, frames: Frames, cause: str) -> None:
        self.drops[machine, cause] = min(frames.at_ns, self.drops.get((machine, cause), frames.at_ns))

    def link_dropped(self, frames: Frames, cause: str) -> None:
        """On a link."""
        self._lost(frames.frame[F_DESTINATION], frames, cause)

    def frames_dropped(self, machine: int, frames: Frames, cause: str, free: int) -> None:
        """In a machine."""
        self._lost(machine, frames, cause)

    def mark_crossed(self, machine: int, mark: str, below: bool, free: tuple[int, int]) -> None:
        """Downward only."""
        if below:
            self.below.add((free[0], machine, mark, free[1]))


def recorded(text: str, **options: Any) -> Cluster:
    """That scene, run to its end, with series."""
    return open_cluster(text, series=True, **options).run()


@cache
def frames(text: str) -> dict[str, pd.DataFrame]:
    """The tables of a scene's record that there are."""
    with recorded(text) as cluster:
        record, plan = Record(cluster.engine.recorded(), list(cluster)), cluster.scenario.plan or Plan()
    return {name: table.to_pandas() for name, table in store.tables(record, plan).items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run's folder."""
    scenario = load(SCENE)
    finished = run(scenario, How("inline"), tmp_path, "netswap run", plan=scenario.plan)
    assert finished.record is not None
    write_result(tmp_path, finished)
    store.write(tmp_path, finished.record, Plan())
    return tmp_path


# -- it changes nothing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [SCENE, GUARDED], ids=["none", "reserve"])
def test_a_run_with_recording_has_the_digest_of_one_without(text: str) -> None:
    with open_cluster(text) as plain, recorded(text) as other:
        assert plain.run().digest() == other.digest()
        other.series()
        assert plain.run_for(milliseconds(500)).digest() == other.run_for(milliseconds(500)).digest()


def test_the_key_of_the_scenario_is_no_part_of_what_runs() -> None:
    text = SCENE + "record: {every: 1ms, machines: none}\n"
    assert load(text).resolved() == load(SCENE).resolved()
    assert load(text).plan is None


@pytest.mark.ray
@pytest.mark.parametrize("text", [SCENE, CROWD], ids=["an actor each", "packed"])
def test_on_ray_digest_and_series_are_those_in_process(netswap: Open, text: str) -> None:
    """Each actor has recorded its own machines, the network actor or the shards what links have lost."""
    cluster = netswap(text, engine="ray", series=True).run()
    with recorded(text) as inline:
        assert cluster.digest() == inline.digest()
        for table in ("series", "programs", "moments"):
            pd.testing.assert_frame_equal(cluster.series(table), inline.series(table))
        assert len(inline.series())


# -- what is in it ------------------------------------------------------------------------------------------------------


def test_each_machine_is_looked_at_every_10_ms_and_at_the_end() -> None:
    series = frames(SCENE)["series"]
    times = [*range(milliseconds(10), seconds(3) + 1, milliseconds(10))]
    for _, rows in series.groupby("machine", observed=True):
        assert list(rows["at_ns"]) == times


@pytest.mark.parametrize("text", [SCENE, GUARDED], ids=["none", "reserve"])
def test_owners_and_free_pages_are_all_pages(text: str) -> None:
    rows = frames(text)["series"].query("machine == 'A'")
    assert (rows[[*OWNERS, "free", "aside"]].sum(axis=1) == PAGES).all()
    assert (rows[list(OWNERS)] >= 0).all(axis=None)
    assert rows["ranks"].max() > PAGES // 2


@pytest.mark.parametrize("text", [SCENE, GUARDED], ids=["none", "reserve"])
def test_the_last_row_is_what_the_machine_counts(text: str) -> None:
    with recorded(text) as cluster:
        last = cluster.series().groupby("machine", observed=True).last()
        for name in cluster:
            counters = cluster[name].counters
            for column in ("pages_out", "pages_in", "retransmissions", "received", "delivered", "progress", "held"):
                assert last.loc[name, column] == counters[column]
            assert last.loc[name, "free"] == cluster[name].free_pages
        dropped = cluster.frames()["dropped"]
        told = {cause: int(last[f"dropped_{cause.replace('-', '_')}"].sum()) for cause in CAUSES}
        assert {cause: count for cause, count in told.items() if count} == dropped


def test_what_is_counted_never_falls_over_a_crash() -> None:
    rows = frames(SCENE.replace(outage("1s", "1s"), "[{at: 1s, crash: A, for: 500ms}]"))["series"]
    assert set(rows.query("machine == 'A'")["state"]) > {"down"}
    counts = [
        name for name in rows if name.startswith(("pages_", "dropped_")) or name in ("sent", "received", "progress")
    ]
    for _, one in rows.groupby("machine", observed=True):
        assert all(one[name].is_monotonic_increasing for name in counts)


def test_moments_tell_the_fault_the_stall_and_the_first_drop_of_each_cause() -> None:
    """The rank of A waits for C from about 1 s on, to the end; the sockets of A hold more than it has free."""
    moments = frames(SCENE)["moments"]
    assert set(moments["what"]) <= set(WHATS)
    assert moments["at_ns"].is_monotonic_increasing
    [fault] = moments.query("what == 'fault'").itertuples()
    assert (fault.at_ns, fault.until_ns, fault.detail) == (seconds(1), seconds(2), "partition C | A B")
    with recorded(SCENE) as cluster:
        stalled_ns, dropped = cluster["A"].stalled_at_ns, cluster.frames()["dropped"]
    stalls = moments.query("what == 'stall' and machine == 'A'")
    assert stalled_ns in set(stalls["at_ns"])
    assert set(moments.query("what == 'first drop'")["detail"]) == set(dropped)
    assert set(frames(SCENE)["series"]["state"]) <= set(STATES)


@pytest.mark.parametrize("fault", ["partition: [C]", "crash: A", "pause: A"])
def test_a_first_drop_and_a_mark_are_known_at_their_moment_and_not_at_a_look(fault: str) -> None:
    """As one says who hears of every frame and of every page; of marks the first between two looks of each."""
    text = SCENE.replace("partition: [C]", fault)
    heard = Listener()
    with open_cluster(text, trace=heard) as cluster:
        names = list(cluster.run())
    moments = frames(text)["moments"]
    told = moments.query("what == 'first drop'")
    drops = {(names.index(row.machine), row.detail): row.at_ns for row in told.itertuples()}
    assert drops == heard.drops
    assert any(at_ns % EVERY_NS for at_ns in drops.values())
    below = [
        (row.at_ns, names.index(row.machine), row.detail, row.free)
        for row in moments.query("what == 'below'").itertuples()
    ]
    first: dict[tuple[int, int, str], tuple[int, int, str, int]] = {}
    for one in sorted(heard.below):
        first.setdefault((one[0] // EVERY_NS, one[1], one[2]), one)
    assert sorted(below) == sorted(first.values())
    assert {"high", "low"} <= {mark for _, _, mark, _ in below}


def test_of_what_happens_too_often_it_is_said_how_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each mark for itself: a mark that is crossed all the time leaves room for those that are not."""
    whole = frames(SCENE)["moments"].query("what == 'below'").groupby(["machine", "detail"]).size()
    most = int(whole.max()) - 1
    monkeypatch.setattr(recorder, "MOST_MOMENTS", most)
    monkeypatch.setattr(record, "MOST_MOMENTS", most)
    told = frames.__wrapped__(SCENE)["moments"]
    kept = told.query("what == 'below'").groupby(["machine", "detail"]).size()
    assert list(kept) == [min(most, one) for one in whole]
    assert set(told.query("what == 'not kept'")["detail"]) == {
        f"1 below {mark}" for (_, mark), count in whole.items() if count > most
    } | {f"{count - most} again nfs" for count in _again(SCENE) if count > most}


def _again(text: str) -> list[int]:
    return list(frames(text)["moments"].query("what == 'again'").groupby("machine").size())


def test_of_many_machines_the_worst_are_kept_and_all_in_short() -> None:
    """21 machines: 16 in full, all of them with state and free pages, and quantiles over all."""
    tables = frames(CROWD)
    assert tables["series"]["machine"].nunique() == 16
    assert tables["machines"]["machine"].nunique() == 21
    free = tables["machines"].groupby("at_ns")["free"]
    quantiles = tables["quantiles"].query("column == 'free'").set_index("at_ns")
    assert (quantiles["minimum"] == free.min()).all()
    assert (quantiles["maximum"] == free.max()).all()
    assert len(quantiles) == 400 // 20


def test_more_machines_than_a_byte_counts_are_kept_too() -> None:
    """300 names of machines in one column."""
    tables = frames("title: t\nstop: 200ms\nmachines:\n  A: {count: 300, programs: [{heartbeat: {every: 50ms}}]}\n")
    assert tables["machines"]["machine"].nunique() == 300
    assert tables["series"]["machine"].nunique() == 16


def test_machines_of_one_name_are_told_as_a_stretch() -> None:
    """A1000 does not follow A998, and three in a row are named each."""
    assert record.stretches(["C", "A8", "A9", "A10", "A11", "A13", "B"]) == ["C", "A8 to A11", "A13", "B"]
    assert record.stretches(["A0", "A1", "A2"]) == ["A0", "A1", "A2"]


def test_the_machines_that_are_named_are_kept() -> None:
    with recorded(CROWD.replace("record: {every: 20ms}", "record: {every: 50ms, machines: [C, A3]}")) as cluster:
        assert list(cluster.series()["machine"].unique()) == ["A3", "C"]
        assert cluster.series()["at_ns"].diff().max() == milliseconds(50)


@pytest.mark.parametrize("fault", ["partition: [C]", "crash: A", "pause: A", "pause: C"])
def test_a_machine_that_is_known_to_be_unchanged_is_as_a_look_at_all_of_it_says(fault: str) -> None:
    """At each look of each machine."""

    class Twice(Recorder):
        def _look(self, at_ns: int, machine: int, door: Machine) -> list[int]:
            row = super()._look(at_ns, machine, door)
            assert row == Look(door).row(at_ns)
            return row

    text = SCENE.replace(outage("1s", "1s"), f"[{{at: 1s, {fault}, for: 500ms}}]")
    with open_cluster(text, trace=Twice(Plan())) as cluster:
        cluster.run()


def test_rows_come_back_as_they_went_in() -> None:
    """More than is packed at a time."""
    rows = Rows(3)
    for number in range(400_000):
        rows.extend((number, -number, 7))
        rows.pack()
    columns = Rows(3, rows.packed()).columns()
    assert [len(column) for column in columns] == [400_000] * 3
    assert columns[1][-1] == -399_999
    assert len(rows.packed()) > 1


# -- and how it is read -------------------------------------------------------------------------------------------------


def test_pandas_and_duckdb_read_it_with_no_help_of_ours(folder: Path) -> None:
    path = folder / "record" / "series.parquet"
    ours = open_run(folder).series().query("machine == 'A'")["free"]
    assert list(pd.read_parquet(path).query("machine == 'A'")["free"]) == list(ours)
    found = duckdb.sql(f"select min(free), count(*) from '{path}' where machine = 'A'").fetchall()
    assert found == [(ours.min(), len(ours))]


def test_the_files_say_what_their_columns_mean_and_who_wrote_them(folder: Path) -> None:
    for name in ("series", "programs", "moments"):
        schema = parquet.read_schema(folder / "record" / f"{name}.parquet")
        assert schema.names == list(TABLES[name])
        assert all(schema.field(column).metadata[b"description"] for column in schema.names)
        assert b"version" in schema.metadata[b"netswap"]


def test_a_folder_opened_again_has_result_scenario_version_and_a_table_for_notebooks(folder: Path) -> None:
    opened = open_run(folder)
    assert opened.result["machines"]["A"]["verdict"]
    assert opened.scenario == SCENE
    assert opened.version == opened.result["version"]
    assert "<table>" in opened._repr_html_()
    with pytest.raises(ValueError, match="there is no table 'serie', only series, programs"):
        opened.series("serie")
    with pytest.raises(FileNotFoundError, match="no folder of a run that has ended"):
        open_run(folder / "record")


def test_who_has_not_asked_for_series_is_told_how() -> None:
    with open_cluster(SCENE) as cluster, pytest.raises(ValueError, match="series=True"):
        cluster.series()
