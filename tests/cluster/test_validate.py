"""`netswap validate`: cells of an experiment as scenarios, judged as the experiment judged, beside what the real machine did."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from netswap.cluster.command.app import app
from netswap.cluster.lab import open_scenario
from netswap.cluster.scenario import ScenarioError, load
from netswap.cluster.validate import cells, guest, mapping, trial, verdicts, written
from netswap.cluster.validate.compare import Compared
from netswap.cluster.validate.trial import Seen

COLUMNS = (
    "cell,run,verdict,recover_s_after_heal,nic,swap_path,rx_head_fix,workload,flood,svc,pps,partition_s,partmode,"
    "flood_before_partition_s,ram_mb,min_free_kb,udp_mem,tcp_mem,boost,other_keys"
)
ROW = "x,x.r1,wedged,,virtio-net-pci,direct,0,anon,udp,noread,6000,10,drop,5,128,1074,default,default,default,hogmb=120"


def read(tmp_path, *rows, columns=COLUMNS):
    """The cells of such a file."""
    path = tmp_path / "cells.csv"
    path.write_text("\n".join([columns, *rows]) + "\n")
    return cells.read(path)[0]


def cell(tmp_path, **changed):
    """The row above with some columns changed."""
    names = COLUMNS.split(",")
    fields = dict(zip(names, ROW.split(","), strict=True)) | changed
    return read(tmp_path, ",".join(f'"{fields[name]}"' for name in names))[0]


def told(tmp_path, **changed):
    """Its scenario as a tree."""
    return mapping.scenario(cell(tmp_path, **changed)).tree


def programs(tree, kind):
    """The settings of all programs of A of this kind."""
    return [one[kind] for one in tree["machines"]["A"]["programs"] if kind in one]


def test_runs_of_one_setting_are_one_cell_and_another_setting_is_another(tmp_path):
    other = ROW.replace("6000", "500")
    recovered = ROW.replace("wedged,", "recovers,3.5")
    found = read(tmp_path, ROW, recovered, other)
    assert [(one.name, one.verdicts, one.recovered_s) for one in found] == [
        ("x", ("wedged", "recovers"), (3.5,)),
        ("x", ("wedged",), ()),
    ]


def test_every_public_cell_is_a_scenario():
    found, unknown = cells.read()
    assert unknown == []
    for one in found:
        assert load(mapping.scenario(one).text()).title == f"cell {one.name}"


def test_the_files_of_the_public_cells_are_those_of_the_rules():
    """`netswap validate --write configs/validation` makes them."""
    there = {path.name: path.read_text() for path in written.FOLDER.glob("*.yaml")}
    assert there == written.texts(cells.read()[0])


def test_the_guest_has_the_limits_that_were_read_off_it():
    """udp_mem 1653 2204 3306, tcp_mem 825 1102 1650, 80 of 128 MiB managed."""
    assert guest.managed_pages(128) * 4096 == 80 << 20
    assert guest.udp_mem(128) == [1653, 2204, 3306]
    assert guest.tcp_mem(128) == [825, 1102, 1650]


@pytest.mark.parametrize(
    ("nic", "refill"), [("virtio-net-pci", "virtio"), ("e1000e", "e1000e"), ("8139cp", "8139cp"), ("tg3", "tg3")]
)
def test_a_card_is_its_driver(tmp_path, nic, refill):
    assert told(tmp_path, nic=nic)["machines"]["A"]["nic"] == {"refill": refill}


def test_without_the_mark_a_socket_has_none_of_its_rights(tmp_path):
    """NBD's own PF_MEMALLOC and the throttle of reclaimers are not the socket's: they stay."""
    marked = load(mapping.scenario(cell(tmp_path)).text()).resolved().machines[0].policy
    bare = load(mapping.scenario(cell(tmp_path, swap_path="nomem")).text()).resolved().machines[0].policy
    assert (marked.reserve_access, marked.drop_at_demux, marked.tcp_exemption, marked.reclaim_throttle) == (True,) * 4
    assert (bare.reserve_access, bare.drop_at_demux, bare.tcp_exemption, bare.reclaim_throttle) == (False,) * 3 + (
        True,
    )


def test_the_fix_of_the_head_is_its_switch(tmp_path):
    assert told(tmp_path, rx_head_fix="1")["safeguards"] == ["merged", "rx-head"]
    assert told(tmp_path)["safeguards"] == "merged"


@pytest.mark.parametrize("path", ["unix", "tcplo"])
def test_a_proxy_is_locked_and_on_the_way(tmp_path, path):
    tree = told(tmp_path, swap_path=path)
    assert tree["machines"]["A"]["swap"]["via"] == "proxy"
    assert programs(tree, "proxy")[0]["lock"] is True


def test_the_flood_is_as_many_packets_a_second_as_the_cell_says(tmp_path):
    """1472 B of payload are 1538 B on the wire; it begins before the fault and ends 60 s after the heal."""
    flood = told(tmp_path, pps="500")["machines"]["B"]["programs"][0]["flood"]
    assert flood["rate"] == f"{500 * 1538 * 8}bit/s"
    assert (flood["from"], flood["for"]) == ("5s", "75s")


def test_fragments_are_first_ones_of_datagrams_that_do_not_fit(tmp_path):
    flood = told(tmp_path, flood="frag")["machines"]["B"]["programs"][0]["flood"]
    assert (flood["fragments"], flood["rate"]) == ("incomplete", f"{6000 * 1538 * 8}bit/s")


def test_a_flood_over_tcp_has_as_many_connections_as_sockets(tmp_path):
    other = "hogmb=90 hogus=20000 nsock=300 floodports=300 payload=1448 rcvbuf=1048576"
    tree = told(tmp_path, flood="tcp", tcp_mem="100,200,300", other_keys=other)
    flood = tree["machines"]["B"]["programs"][0]["flood"]
    assert (flood["protocol"], flood["flows"], flood["rate"]) == ("tcp", 300, f"{6000 * 1538 * 8}bit/s")
    service = programs(tree, "service")[1]
    assert (service["protocol"], service["sockets"], service["buffer"]) == ("tcp", 300, "1048576B")
    assert tree["machines"]["A"]["tcp"]["mem"] == [100, 200, 300]


def test_a_cell_without_a_flood_has_nobody_who_floods(tmp_path):
    assert set(told(tmp_path, flood="none", svc="")["machines"]) == {"A", "C"}


def test_a_service_that_consumes_touches_its_table(tmp_path):
    """table=4: 4 MiB are 1024 pages."""
    service = programs(told(tmp_path, svc="consume", other_keys="hogmb=86 table=4"), "service")[1]
    assert service["pages"] == 1024
    assert not {"work", "reads"} & set(service)


def test_the_hog_rests_as_long_for_a_page_as_the_real_one_after_32(tmp_path):
    """20,000 us / 32 = 625 us."""
    hog = programs(told(tmp_path, other_keys="hogmb=90 hogus=20000"), "rank")[0]
    assert (hog["working_set"], hog["touch"], hog["compute"]) == ("90MiB", "4KiB", "625000ns")
    assert "compute" not in programs(told(tmp_path), "rank")[0]


def test_a_hog_that_fits_into_memory_lets_time_pass(tmp_path):
    """50 MiB are free: 20 MiB never fault."""
    text = mapping.scenario(cell(tmp_path, other_keys="hogmb=20")).text()
    with open_scenario(load(text)) as cluster:
        assert cluster.run_for(10_000_000)["A"].programs["rank 0"]["progress"] > 0


def test_a_file_is_read_at_the_hogs_rate_and_a_second_hog_is_anonymous(tmp_path):
    """32 pages in 20 ms."""
    tree = told(tmp_path, workload="file", other_keys="hogmb=90 hogus=20000 hogkind=file hog2=24")
    reader = programs(tree, "reader")[0]
    assert (reader["file"], reader["rate"]) == ("90MiB", f"{32 * 4096 * 50}B/s")
    assert programs(tree, "rank")[0]["working_set"] == "24MiB"


def test_boost_minimum_and_limits_are_the_cells(tmp_path):
    machine = told(tmp_path, boost="0", min_free_kb="16384", udp_mem="8000,8001,8002")["machines"]["A"]
    assert machine["vm"] == {"watermark_boost_factor": 0}
    assert machine["min_free"] == "16384KiB"
    assert machine["udp"]["mem"] == [8000, 8001, 8002]
    assert "vm" not in told(tmp_path)["machines"]["A"]


def test_without_a_partition_there_is_no_fault(tmp_path):
    assert told(tmp_path, partition_s="0")["timeline"] == []
    assert told(tmp_path)["timeline"] == [{"at": "10s", "for": "10s", "partition": ["C"]}]


def test_a_server_that_is_stopped_is_not_cut_off(tmp_path):
    (fault,) = told(tmp_path, partmode="stop")["timeline"]
    assert "partition" not in fault
    assert {"freeze", "pause"} & set(fault)


def test_a_key_without_a_rule_is_noted_and_not_passed_over(tmp_path):
    assert "zram=1 has no rule" in mapping.scenario(cell(tmp_path, other_keys="hogmb=120 zram=1")).notes


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"nic": "rtl8139"}, 'there is no "rtl8139"'),
        ({"swap_path": "rdma"}, 'there is no "rdma"'),
        ({"flood": "sctp"}, 'there is no "sctp"'),
        ({"svc": "sleeps"}, 'there is no "sleeps"'),
        ({"pps": "many"}, '"many" is no number'),
        ({"pps": "0"}, "0 is out of range"),
        ({"ram_mb": "64"}, "64 is out of range"),
        ({"udp_mem": "1,2"}, '"1,2" is no limit'),
        ({"rx_head_fix": "yes"}, 'there is no "yes"'),
        ({"partmode": "reset"}, 'there is no "reset"'),
        ({"other_keys": "hogmb"}, '"hogmb" has no value'),
    ],
)
def test_a_field_that_is_wrong_is_said_with_its_line(tmp_path, changed, said):
    with pytest.raises(ScenarioError) as error:
        mapping.scenario(cell(tmp_path, **changed))
    (problem,) = error.value.problems
    assert said in problem.message
    assert problem.line == 2


@pytest.mark.parametrize("text", ["", "name,verdict\nx,wedged\n", COLUMNS + "\nx,wedged\n", 'cell\n"x\n'])
def test_a_file_that_is_no_such_csv_is_an_error(tmp_path, text):
    (tmp_path / "cells.csv").write_text(text)
    with pytest.raises(ScenarioError):
        cells.read(tmp_path / "cells.csv")


@pytest.mark.parametrize(
    ("written_", "word"),
    [
        ("works", "works"),
        ("recovers", "recovers"),
        ("recovers+OOM", "recovers+OOM"),
        ("wedged", "wedged"),
        ("crawls", "crawls"),
        ("OOM, then panic (nothing left to kill)", "OOM"),
        ("wedged+OOM", "OOM"),
    ],
)
def test_verdicts_as_they_are_written(written_, word):
    assert verdicts.known(written_) == word


def test_a_heartbeat_is_steady_once_it_beats_in_each_half_second_for_five_seconds():
    beats = [0] * 7 + [3] * 9
    assert verdicts.steady_from(beats) is None
    assert verdicts.steady_from([*beats, 1]) == 7
    assert verdicts.steady_from([*beats, 0, *[1] * 10]) == 17


def test_a_machine_without_a_heartbeat_crawls_if_pages_move_and_is_wedged_if_not():
    assert verdicts.judged(None, 2.0, killed=False, fault=True) == "crawls"
    assert verdicts.judged(None, 0.2, killed=False, fault=True) == "wedged"
    assert verdicts.judged(None, 2.0, killed=True, fault=True) == "OOM"
    assert verdicts.judged(3, 2.0, killed=True, fault=True) == "recovers+OOM"
    assert verdicts.judged(0, 2.0, killed=False, fault=False) == "works"


def seen(verdict, recovered_s=None):
    """A run that has been done."""
    return Seen(1, verdict, recovered_s, 400, 100, 0.0, 0, 0, 0, "")


def compared(tmp_path, rows, *runs):
    """A cell that reality had these rows of, and our runs."""
    return Compared(read(tmp_path, *rows)[0], runs, ())


def test_a_cell_agrees_if_each_run_has_a_verdict_that_reality_had(tmp_path):
    both = [ROW, ROW.replace("wedged,", "recovers,4.0")]
    assert compared(tmp_path, both, seen("wedged"), seen("recovers", 3.5)).agrees
    assert not compared(tmp_path, [ROW], seen("wedged"), seen("recovers", 3.5)).agrees
    assert compared(tmp_path, [ROW], seen("wedged"), seen("recovers", 3.5)).share == 0.5


@pytest.mark.parametrize(("ours", "agrees"), [(2.0, False), (2.7, True), (6.0, True), (6.1, False)])
def test_times_agree_within_a_factor_of_one_and_a_half(tmp_path, ours, agrees):
    """Of 4.0 s: 2.67 to 6 s."""
    row = ROW.replace("wedged,", "recovers,4.0")
    assert compared(tmp_path, [row], seen("recovers", ours)).time_agrees is agrees


def small(tmp_path, verdict):
    """A cell that takes little time: nobody is cut off, and nobody floods."""
    row = ROW.replace("anon,udp,noread", "anon,none,").replace(",10,drop,5,", ",0,drop,0,").replace("wedged", verdict)
    path = tmp_path / "cells.csv"
    path.write_text(f"{COLUMNS}\n{row.replace('hogmb=120', 'hogmb=60 hogus=20000')}\n")
    return path


@pytest.mark.slow
def test_a_machine_that_is_never_cut_off_works(tmp_path):
    (one,) = cells.read(small(tmp_path, "works"))[0]
    run = trial.run(trial.Job(one, 1))
    assert (run.verdict, run.recovered_s) == ("works", 0.5)
    assert run == trial.run(trial.Job(one, 1))


@pytest.mark.parametrize(("verdict", "status"), [pytest.param("works", 0, marks=pytest.mark.slow), ("wedged", 1)])
def test_the_command_says_by_its_status_whether_all_agree(tmp_path, verdict, status):
    path = small(tmp_path, verdict)
    result = CliRunner().invoke(app, ["validate", "--cells", str(path), "--seeds", "1", "--processes", "1", "--json"])
    assert result.exit_code == status
    out = json.loads(result.stdout)
    assert (out["agree"], out["of"]) == (1 - status, 1)
    assert [run["verdict"] for run in out["cells"][0]["runs"]] == ["works"]


@pytest.mark.slow
def test_the_command_shows_a_line_for_each_cell(tmp_path):
    path = small(tmp_path, "works")
    result = CliRunner().invoke(app, ["validate", "x", "--cells", str(path), "--seeds", "1", "--markdown"])
    assert result.exit_code == 0
    assert "| x | works | works |" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["nobody"], 'there is no cell "nobody"'), (["--cells", "/nowhere.csv"], "it cannot be read")],
)
def test_what_is_not_there_is_an_error_of_the_input(arguments, said):
    result = CliRunner().invoke(app, ["validate", *arguments])
    assert result.exit_code == 2
    assert said in result.stderr


def test_the_command_writes_the_scenarios(tmp_path):
    result = CliRunner().invoke(app, ["validate", "2g", "7a", "--write", str(tmp_path / "out")])
    assert result.exit_code == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["2g-e1000e-direct-8000.yaml", "7a-frag-direct-def.yaml"]
    assert all(isinstance(load(Path(tmp_path / "out" / name)).title, str) for name in names)
