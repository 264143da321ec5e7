"""How commands end when it is not by a result: one sentence and a status, never a bare traceback."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from scenes import seed
from typer.testing import CliRunner, Result

from netswap.cluster.claims import prove
from netswap.cluster.command import status
from netswap.cluster.command.app import app
from netswap.cluster.command.options import address_checked
from netswap.cluster.lab import runs
from netswap.cluster.scenario.scenario import Scenario
from netswap.protocol.units import seconds

SHORT, LONG = seed(stop="1s"), seed(stop="3600s")
EXPERIMENT = "title: one\nscenario: short.yaml\nvary: {seed: [1, 2]}\nshow: [A.verdict]\n"
OK, NOT_MET, INPUT, INFRASTRUCTURE, INTERNAL, CUT_SHORT = range(6)
NO_FOLDER = ["check", "list", "schema", "claims", "minimum", "remedies"]
VERBS = {
    "run": ["short.yaml", "--engine", "inline", "--run-dir", "here", "--record", "none"],
    "check": ["short.yaml"],
    "list": ["causes"],
    "schema": [],
    "claims": [],
    "minimum": ["short.yaml", "--of", "reserve.buffers", "--until", "A is recovered"],
    "remedies": ["short.yaml"],
    "sweep": ["experiment.yaml", "--run-dir", "here"],
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.yaml").write_text(SHORT)
    (tmp_path / "long.yaml").write_text(LONG)
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    return tmp_path


def netswap(*words: str) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(app, list(words))


def process(*words: str, **settings: Any) -> "subprocess.CompletedProcess[str]":
    """The command as a process of its own."""
    settings = {"stdout": subprocess.PIPE, **settings}
    command = [sys.executable, "-P", "-m", "netswap", *words]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **settings)


# -- 4: netswap itself failed -------------------------------------------------------------------------------------------


class Slip(Exception):  # noqa: N818  (as a mistake of ours would be called by somebody else)
    """What only we can have done."""


def slips(*_: object, **__: object) -> None:
    """Stands for any function of ours."""
    raise Slip("a page too many")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every verb makes a mistake."""
    monkeypatch.setattr(runs, "conclude", slips)
    monkeypatch.setattr(prove, "choose", slips)
    monkeypatch.setattr(Scenario, "schema", slips)
    for name in (
        "command.check.loaded_scenario",
        "command.minimum.checked",
        "command.remedies.checked",
        "study.sweep.write_results",
    ):
        monkeypatch.setattr(f"netswap.cluster.{name}", slips)
    monkeypatch.setattr("netswap.cluster.command.words.COUNTERS", None)


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("verb", VERBS)
def test_a_mistake_of_ours_is_4_and_a_sentence_for_every_verb(verb: str) -> None:
    """The traceback stands in the run's folder, or where there is none on standard error."""
    result = netswap(verb, *VERBS[verb])
    assert result.exit_code == INTERNAL
    sentence, *rest = result.stderr.splitlines()[-1:] if verb == "sweep" else result.stderr.splitlines()
    assert sentence.startswith("netswap itself failed, which is no result: ")
    if verb in NO_FOLDER:
        assert rest[0].startswith("Traceback")
    else:
        assert rest == []
        assert "a page too many" in Path("here/traceback.txt").read_text()
        assert "here/traceback.txt" in sentence


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("verb", ["run", "check", "claims"])
def test_with_json_it_is_one_object(verb: str) -> None:
    """`run` is null where there is no folder."""
    result = netswap(verb, *VERBS[verb], "--json")
    assert result.exit_code == INTERNAL
    error = f"{Slip.__module__}.Slip: a page too many"
    folder = None if verb in NO_FOLDER else "here"
    assert json.loads(result.stdout) == {"verdict": "internal error", "error": error, "run": folder}


@pytest.mark.usefixtures("broken")
def test_without_the_one_place_that_sees_to_it_it_would_be_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin, and with the status of an expectation that was not met."""
    monkeypatch.setattr(status, "ended", lambda command, **_: command())
    result = netswap("check", "short.yaml")
    assert isinstance(result.exception, Slip)
    assert result.exit_code == NOT_MET


def test_too_little_memory_is_no_mistake_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the computer's."""
    monkeypatch.setattr(runs, "conclude", lambda *_, **__: bytes(1 << 62))
    result = netswap("run", *VERBS["run"])
    assert result.exit_code == INFRASTRUCTURE
    assert "has not enough memory" in result.stderr


# -- 3: disk and output -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize(
    "words", [["run", *VERBS["run"]], ["run", *VERBS["run"], "--json"], ["list", "causes"], ["--help"]]
)
def test_an_output_that_takes_nothing_is_3(words: list[str]) -> None:
    """A sentence says so, and the result is in its folder all the same."""
    with open("/dev/full", "w") as full:
        done = process(*words, stdout=full)
    assert done.returncode == INFRASTRUCTURE
    [sentence] = done.stderr.splitlines()
    assert sentence.startswith("writing or reading failed, which is no result: No space left on device")
    if words[0] == "run":
        assert json.loads(Path("here/result.json").read_text())["verdict"] == "ok"


@pytest.mark.parametrize("words", [["run", *VERBS["run"]], ["run", *VERBS["run"], "--json"], ["schema"]])
def test_an_output_that_is_closed_is_3(words: list[str]) -> None:
    """No file gets its number, and what was to be printed is not lost in silence."""
    done = process(*words, stdout=None, preexec_fn=lambda: os.close(1))
    assert done.returncode == INFRASTRUCTURE
    assert "Bad file descriptor" in done.stderr
    if words[0] == "run":
        assert json.loads(Path("here/result.json").read_text())["verdict"] == "ok"


@pytest.mark.parametrize(
    "words",
    [
        ["run", *VERBS["run"]],
        ["run", *VERBS["run"], "--json"],
        *([verb, *VERBS[verb]] for verb in ("check", "list", "schema")),
    ],
)
def test_a_reader_that_went_away_is_no_failure(words: list[str]) -> None:
    """As of `| head -1`: quiet, with the status of SIGPIPE."""
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as pipe:
        done = process(*words, stdout=pipe)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")
    if words[0] == "run":
        assert Path("here/result.json").exists()


@pytest.mark.parametrize("as_json", [False, True])
def test_a_result_that_cannot_be_kept_is_told_before(as_json: bool) -> None:
    """As where the disk is full at the end. There is one JSON object, not two."""
    Path("here/result.json").mkdir(parents=True)
    result = netswap("run", *VERBS["run"], *(["--json"] if as_json else []))
    assert result.exit_code == INFRASTRUCTURE
    assert "here/result.json" in result.stderr
    assert (json.loads(result.stdout)["digest"] if as_json else result.stdout.split("digest ")[1][:64]).isalnum()
    assert sorted(path.name for path in Path("here").iterdir()) == ["resolved.json", "result.json", "scenario.yaml"]


def test_a_disk_that_is_full_at_the_end_leaves_no_half_result() -> None:
    """The largest file may be larger than all others, and smaller than the result, which has a line for each expectation."""
    text = SHORT.partition("expect:")[0]
    Path("short.yaml").write_text(f"{text}expect: {[f'A.free_pages >= {least}' for least in range(40)]}\n")
    alone = netswap("run", *VERBS["run"], "--run-dir", "alone", "--json")
    sizes = sorted(path.stat().st_size for path in Path("alone").iterdir())
    room = max(sizes[-2], status.PROBE_BYTES)
    assert sizes[-1] == Path("alone/result.json").stat().st_size > room
    done = process(
        "run", *VERBS["run"], "--json", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    )
    assert done.returncode == INFRASTRUCTURE
    assert json.loads(done.stdout)["digest"] == json.loads(alone.stdout)["digest"]
    assert "File too large (here/result.json)" in done.stderr
    assert sorted(path.name for path in Path("here").iterdir()) == ["resolved.json", "scenario.yaml"]


def test_a_folder_that_takes_nothing_is_found_before_the_run() -> None:
    """A disk without room for the scenario."""
    done = process(
        "run", *VERBS["run"], "--json", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    )
    assert done.returncode == INFRASTRUCTURE
    assert json.loads(done.stdout)["verdict"] == "infrastructure failed"
    assert "--run-dir here" in done.stderr
    assert list(Path("here").iterdir()) == []


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="there is no /sys")
@pytest.mark.parametrize("verb", ["run", "sweep"])
def test_a_place_where_nobody_may_write_is_3(verb: str) -> None:
    """Its name is a good one; a name that can be no folder is an error of the input."""
    result = netswap(verb, *VERBS[verb], "--run-dir", "/sys/netswap")
    assert result.exit_code == INFRASTRUCTURE
    assert "--run-dir /sys/netswap" in result.stderr
    assert netswap(verb, *VERBS[verb], "--run-dir", "short.yaml").exit_code == INPUT


# -- signals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"])
@pytest.mark.parametrize("verb", ["run", "minimum", "remedies", "sweep", "claims"])
def test_a_signal_ends_every_verb_with_all_its_processes(verb: str, number: int, expected: int) -> None:
    """Sent to the command alone, while it is at work."""
    Path("short.yaml").write_text(SHORT.replace("stop: 1s", "stop: 20s"))
    if verb == "run":
        Path("short.yaml").write_text(LONG)
    words = [sys.executable, "-P", "-m", "netswap", verb, *VERBS[verb]]
    words += ["--only", "33"] if verb == "claims" else []
    running = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while running.poll() is None and not _catches(running.pid, signal.SIGTERM):
        time.sleep(0.01)
    running.send_signal(number)
    _, said = running.communicate(timeout=120)
    assert "Traceback" not in said
    assert running.returncode in (expected, OK) if verb == "claims" else running.returncode == expected
    assert _session(running.pid) == []


def _catches(pid: int, number: int) -> bool:
    """Whether a process has a handler of its own for a signal."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [caught] = [int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:")]
    return bool(caught & 1 << number - 1)


def _session(leader: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for entry in Path("/proc").glob("[1-9]*"):
        try:
            state, _, _, session, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(session) == leader and state not in "ZX":
            found.append(int(entry.name))
    return found


IMPATIENT = """
import signal, sys

class Hook:
    def find_spec(self, name, *_):
        if name == "typer":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Hook())
from netswap.cluster.command.{module} import main
main()
"""


@pytest.mark.parametrize(("module", "is_quiet"), [("entry", True), ("app", False)])
def test_an_interrupt_while_libraries_are_read_is_no_traceback(module: str, is_quiet: bool) -> None:
    """It would be, without the entry that reads none itself."""
    done = subprocess.run(
        [sys.executable, "-c", IMPATIENT.format(module=module)], capture_output=True, text=True, check=False
    )
    assert ("Traceback" not in done.stderr) is is_quiet
    assert (done.returncode == 130) is is_quiet


# -- 5: the wall time was over ------------------------------------------------------------------------------------------


def test_a_run_whose_wall_time_is_over_is_undecided() -> None:
    """It ends in good order, at a virtual time that it tells, and misses nothing for that."""
    words = ["long.yaml", "--engine", "inline", "--run-dir", "here", "--set", "expect=[A is wedged]"]
    result = netswap("run", *words, "--json", "--wall-limit", "300ms")
    told = json.loads(result.stdout)
    assert result.exit_code == CUT_SHORT
    assert told["verdict"] == "undecided"
    assert 0 < told["virtual_ns"] < seconds(3600)
    assert told["expectations"] == [{"text": "A is wedged", "met": None, "seen": told["machines"]["A"]["verdict"]}]
    assert json.loads(Path("here/result.json").read_text()) == told
    shown = netswap("run", *words, "--wall-limit", "300ms")
    assert shown.exit_code == CUT_SHORT
    assert "open   A is wedged" in shown.stdout
    assert "undecided: the wall time was over" in shown.stdout


def test_a_run_that_needs_less_is_as_without_a_limit() -> None:
    """The same bytes."""
    words = ["run", *VERBS["run"], "--json"]
    limited, alone = netswap(*words, "--wall-limit", "10min"), netswap(*words)
    assert limited.exit_code == alone.exit_code == OK
    assert json.loads(limited.stdout)["digest"] == json.loads(alone.stdout)["digest"]


@pytest.mark.parametrize("limit", ["10", "0s", "soon", "10MiB"])
def test_a_wall_limit_is_a_time(limit: str) -> None:
    """Otherwise it is an error of the input."""
    result = netswap("run", *VERBS["run"], "--json", "--wall-limit", limit)
    assert result.exit_code == INPUT
    [error] = json.loads(result.stdout)["errors"]
    assert error["file"] == "--wall-limit"
    assert not Path("here").exists()


# -- addresses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["ray://x", "ray://127.0.0.1:10001", "", "x", "x:", ":6379", "x:0", "x:70000", "a b:1"]
)
@pytest.mark.parametrize("words", [["run", "short.yaml"], ["sweep", "experiment.yaml", "--engine", "ray"]])
def test_what_is_no_address_is_an_error_of_the_input(words: list[str], address: str) -> None:
    """Found before anything is started or made."""
    result = netswap(*words, "--address", address, "--json", "--run-dir", "here")
    assert result.exit_code == INPUT
    [error] = json.loads(result.stdout)["errors"]
    assert error["file"] == "--address"
    assert "HOST:PORT" in error["hint"]
    assert not Path("here").exists()


def test_names_and_both_kinds_of_numbers_are_addresses() -> None:
    """None of them is refused before somebody has been asked."""
    for address in ("auto", "head-1.example.org:6379", "127.0.0.1:6379", "[::1]:6379", None):
        address_checked(address, as_json=False)


@pytest.mark.ray
def test_auto_without_a_cluster_says_that_there_is_none() -> None:
    """Private ones are none; what to do is told."""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = process("run", "short.yaml", "--address", "auto", "--json", env=environment)
    assert done.returncode == INFRASTRUCTURE
    assert "there is no Ray cluster on this computer" in json.loads(done.stdout)["error"]
    assert "ray start --head" in done.stderr
