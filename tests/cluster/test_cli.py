"""The command `netswap`: what it prints, what it leaves behind, and with which status it ends."""

import json
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import programs
import pytest
from ruamel.yaml import YAML
from scenes import outage, seed
from typer.testing import CliRunner, Result

from netswap.actors.counters import CAUSES, COUNTERS
from netswap.actors.kernels import KERNELS
from netswap.actors.process.loader import PROGRAMS
from netswap.actors.safeguards import PRESETS, SWITCHES
from netswap.cluster.command.app import app
from netswap.cluster.judge.verdict import Verdict
from netswap.protocol.units import seconds

ROOT = Path(__file__).parents[2]
BROKEN = Path(__file__).parent / "broken"
EXAMPLE = ROOT / "configs" / "three-machines.yaml"

MET, NOT_MET, WRONG_INPUT, INFRASTRUCTURE = range(4)

TITLE = "a short outage"
HEALED_NS = seconds(2)
STOP_NS = seconds(3)
SCENE = seed(stop="3s", flood_from="1s", timeline=outage("1s", "1s")).replace("the seed, small", TITLE)
"""So short that nothing can be said of A without safeguards, and that A resumes with them."""
UNSEEN = ["--record", "none"]
WITHOUT = ["--set", "expect=[A is undecided]"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in a folder of its own, with the scene in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scene.yaml").write_text(SCENE)
    return tmp_path


def netswap(*words: str) -> Result:
    """The command, in this process."""
    result = CliRunner().invoke(app, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def run(*words: str) -> Result:
    """`netswap run` of the scene in this process, without the series and the report, which take longer."""
    return netswap("run", "scene.yaml", "--engine", "inline", *UNSEEN, *words)


def run_json(*words: str) -> dict[str, Any]:
    """The one JSON object of such a run."""
    return only_object(run("--json", *words).stdout)


def only_object(text: str) -> dict[str, Any]:
    """The JSON object that is all of a text (json.loads refuses anything before or behind it)."""
    told = json.loads(text)
    assert isinstance(told, dict)
    return told


def process(*words: str) -> "subprocess.CompletedProcess[str]":
    """The command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "netswap", *words],
        capture_output=True,
        text=True,
        check=False,
    )


# -- exit status --------------------------------------------------------------------------------------------------------


class TestStatus:
    """0 as expected, 1 not, 2 the input is wrong, 3 the infrastructure failed."""

    def test_all_expectations_met_is_0(self) -> None:
        """Whatever they are: a wedge that was expected is no failure."""
        result = run("--set", "expect=[A is undecided, C is not wedged, A.pages_out > 0]")
        assert result.exit_code == MET

    def test_one_expectation_not_met_is_1(self) -> None:
        """The others do not help."""
        result = run("--json", "--set", "expect=[A is wedged, C is not wedged]")
        assert result.exit_code == NOT_MET
        told = only_object(result.stdout)
        assert [outcome["met"] for outcome in told["expectations"]] == [False, True]
        assert told["verdict"] == "ok"

    def test_a_run_that_proves_nothing_is_1_even_if_what_it_claims_is_so(self) -> None:
        """Nothing ever needed the reserve: there is no outage and no flood."""
        quiet = ["--set", "timeline=[]", "--set", "machines.B.programs=[]", "--set", "safeguards=reserve"]
        result = run("--json", *quiet, "--set", "stop=100ms", "--set", "expect=[A is not wedged]")
        told = only_object(result.stdout)
        assert told["verdict"] == "vacuous"
        assert [outcome["met"] for outcome in told["expectations"]] == [True]
        assert result.exit_code == NOT_MET

    def test_without_expectations_nobody_may_be_wedged_livelocked_or_killed(self) -> None:
        """That claim is judged and shown like any other."""
        result = run("--json")
        [outcome] = only_object(result.stdout)["expectations"]
        assert outcome == {"text": "no machine is wedged, livelocked or killed", "met": True, "seen": "none is"}
        assert result.exit_code == MET

        wedged = run("--json", "--set", "stop=20s")
        [outcome] = only_object(wedged.stdout)["expectations"]
        assert (outcome["met"], outcome["seen"]) == (False, {"A": "wedged"})
        assert wedged.exit_code == NOT_MET

    @pytest.mark.parametrize("name", sorted(path.name for path in BROKEN.iterdir()))
    @pytest.mark.parametrize("command", ["run", "check"])
    def test_a_broken_scenario_is_2(self, command: str, name: str) -> None:
        """Mistakes of content, and files that are no YAML at all."""
        assert netswap(command, str(BROKEN / name)).exit_code == WRONG_INPUT

    @pytest.mark.parametrize("command", [["run", "scene.yaml"], ["sweep", "experiment.yaml"]])
    def test_an_address_in_process_is_2(self, command: list[str]) -> None:
        """One of the two would be ignored."""
        result = netswap(*command, "--engine", "inline", "--address", "auto")
        assert result.exit_code == WRONG_INPUT
        assert "nothing runs on a cluster" in result.stderr

    @pytest.mark.parametrize("words", [["missing.yaml"], ["."], ["scene.yaml", "--engine", "ryy"], [], ["--no-such"]])
    def test_words_that_make_no_sense_are_2(self, words: list[str]) -> None:
        """No such file, a folder for a file, an unknown engine, no scenario, an unknown option."""
        result = netswap("run", *words)
        assert result.exit_code == WRONG_INPUT
        assert result.stdout == ""
        assert result.stderr != ""

    @pytest.mark.ray
    def test_no_ray_cluster_at_an_address_is_3(self) -> None:
        """Ray's failure is never a result: there is no digest, no machine and no expectation."""
        nobody_listens = "127.0.0.1:1"
        done = process("run", "scene.yaml", "--address", nobody_listens, "--json", *UNSEEN)
        assert done.returncode == INFRASTRUCTURE
        told = only_object(done.stdout)
        assert told["verdict"] == "infrastructure failed"
        assert nobody_listens in told["error"]
        assert not {"digest", "machines", "expectations"} & told.keys()
        assert nobody_listens in done.stderr

    def test_the_status_is_that_of_the_process(self) -> None:
        """What the shell sees."""
        words = [
            "run",
            "scene.yaml",
            "--engine",
            "inline",
            *UNSEEN,
            "--set",
            "stop=100ms",
            "--set",
            "timeline=[]",
            "--set",
        ]
        assert process(*words, "expect=[A is healthy]").returncode == MET
        assert process(*words, "expect=[A is wedged]").returncode == NOT_MET
        assert process(*words, "expect=[A is wegded]").returncode == WRONG_INPUT


# -- the one JSON object ------------------------------------------------------------------------------------------------


class TestJson:
    """`--json`: one object on standard output, and nothing else there."""

    def test_its_keys_are_these(self) -> None:
        """What programs read is a contract."""
        told = run_json("--seed", "7", "--run-dir", "here")
        assert set(told) == {
            "version",
            "scenario",
            "engine",
            "seed",
            "verdict",
            "digest",
            "virtual_ns",
            "windows",
            "wall_s",
            "run",
            "frames",
            "machines",
            "expectations",
            "command",
        }
        assert (told["scenario"], told["engine"], told["seed"]) == (TITLE, "inline", 7)
        assert (told["virtual_ns"], told["run"]) == (STOP_NS, "here")
        assert len(bytes.fromhex(told["digest"])) == 32
        assert told["windows"] > 0
        assert told["wall_s"] >= 0

    def test_frames_are_counted_by_what_became_of_them(self) -> None:
        """Causes that never occurred are not listed."""
        frames = run_json()["frames"]
        assert set(frames) == {"sent", "duplicated", "delivered", "under_way", "dropped"}
        assert set(frames["dropped"]) <= set(CAUSES)
        assert all(count > 0 for count in frames["dropped"].values())

    @pytest.mark.parametrize("network", ["{latency: 2ms}", "{latency: 1ms, duplicate: 2%, loss: 2%, reorder: 2%}"])
    @pytest.mark.parametrize("safeguards", ["none", "reserve"])
    @pytest.mark.parametrize("stop", ["1500ms", "3s"])
    def test_no_frame_is_lost_without_a_cause(self, network: str, safeguards: str, stop: str) -> None:
        """sent + duplicated = delivered + dropped + under way, also in the middle of the outage."""
        words = [word for key in (f"network={network}", f"safeguards={safeguards}") for word in ("--set", key)]
        frames = run_json(*words, "--set", f"stop={stop}", "--set", "expect=[]")["frames"]
        settled = frames["delivered"] + sum(frames["dropped"].values()) + frames["under_way"]
        assert frames["sent"] + frames["duplicated"] == settled
        assert frames["dropped"]["partition"] > 0

    def test_each_machine_has_its_verdict_times_and_counters(self) -> None:
        """With them goes who waits for what, and for a machine that is not well the reason in sentences."""
        machines = run_json()["machines"]
        assert list(machines) == ["A", "B", "C"]
        for machine in machines.values():
            assert set(machine) == {
                *("verdict", "stalled_at_ns", "stalled_ns", "recovered_after_ns", "counters"),
                *("waits", "reason", "programs"),
            }
            assert machine["verdict"] in set(Verdict)
            assert machine["counters"].keys() >= COUNTERS.keys()
            assert set(machine["counters"]["dropped"]) == set(CAUSES)
        a, b, _ = machines.values()
        assert a["verdict"] == "undecided"
        assert a["reason"][0].startswith("A undecided at ")
        assert any(node["sentence"] == "a reply from C" for node in a["waits"])
        assert (b["verdict"], b["reason"], b["stalled_at_ns"], b["stalled_ns"]) == ("healthy", [], None, 0)

    def test_a_machine_that_recovered_says_after_how_long(self) -> None:
        """From the last heal to the first progress; null where there was none."""
        with_reserve = run_json("--set", "safeguards=reserve", "--set", "stop=6s")["machines"]["A"]
        assert with_reserve["verdict"] == "recovered"
        resumed_ns = HEALED_NS + with_reserve["recovered_after_ns"]
        assert HEALED_NS < resumed_ns == with_reserve["stalled_at_ns"] + with_reserve["stalled_ns"]
        assert run_json()["machines"]["A"]["recovered_after_ns"] is None

    def test_each_expectation_says_what_was_seen(self) -> None:
        """A verdict or a number; by name where a claim is about several machines."""
        claims = ["A is undecided", "A.lost_pages == 0", "A.recovered_after_ns < 1s"]
        told = run_json("--set", f"expect={json.dumps(claims)}")["expectations"]
        assert all(set(outcome) == {"text", "met", "seen"} for outcome in told)
        assert [outcome["text"] for outcome in told] == claims
        assert [outcome["met"] for outcome in told] == [True, True, False]
        assert [outcome["seen"] for outcome in told] == ["undecided", 0, None]

    def test_a_process_prints_the_object_and_nothing_else(self) -> None:
        """Neither a progress line nor a warning goes to standard output."""
        done = process(
            "run", "scene.yaml", "--engine", "inline", "--json", "--set", "stop=100ms", "--set", "timeline=[]"
        )
        assert done.returncode == MET
        assert only_object(done.stdout)["scenario"] == TITLE
        assert done.stderr == ""

    @pytest.mark.ray
    def test_on_ray_too(self) -> None:
        """Ray's own messages go to the run's folder, and its actors import what the command does, not what lies about."""
        Path("netswap.py").write_text("raise ImportError('not these')")
        done = process("run", "scene.yaml", "--json", "--set", "stop=1s", "--set", "timeline=[]", "--run-dir", "on-ray")
        assert done.returncode == MET, done.stderr
        told = only_object(done.stdout)
        assert told["engine"] == "ray"
        assert told["digest"] == run_json("--set", "stop=1s", "--set", "timeline=[]")["digest"]
        assert any(Path("on-ray/ray").iterdir())

    def test_without_json_a_person_reads_the_same(self) -> None:
        """The verdicts, what was expected, and the digest."""
        told = run_json(*WITHOUT)
        shown = run(*WITHOUT).stdout
        assert told["digest"] in shown
        assert "A is undecided" in shown
        assert "A undecided at" in shown


# -- the line that repeats a run ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--seed", "3"],
        ["--set", "network={latency: 1ms, loss: 1%}", "--set", "machines.A.programs.0.rank.pattern=random"],
        ["--set", "safeguards=[reserve, -slab-rule]", "--seed", "3", "--set", "expect=[A is not wedged]"],
    ],
    ids=str,
)
def test_the_command_of_a_run_repeats_it(words: list[str]) -> None:
    """Word by word, as a shell reads it."""
    first = run_json(*words)
    name, *rest = shlex.split(first["command"])
    assert name == "netswap"
    again = netswap(*rest, "--json")
    assert only_object(again.stdout)["digest"] == first["digest"]


def test_chance_comes_from_the_seed() -> None:
    """--seed goes before the file's, and before a --set; another seed, another run."""
    other = run_json("--seed", "2")
    assert other["seed"] == 2
    assert other["digest"] == run_json("--set", "seed=2")["digest"] != run_json()["digest"]
    assert run_json("--set", "seed=3", "--seed", "2")["digest"] == other["digest"]


# -- the run's folder ---------------------------------------------------------------------------------------------------


class TestFolder:
    """What a run leaves behind, and where."""

    def test_it_has_the_scenario_as_written_and_as_resolved_and_the_object(self) -> None:
        """The object is the one that was printed."""
        told = run_json("--set", "stop=2s", "--run-dir", "a/new/one")
        left = Path("a/new/one")
        assert told["run"] == str(left)
        assert (left / "scenario.yaml").read_text() == SCENE
        assert json.loads((left / "resolved.json").read_text())["stop_ns"] == seconds(2)
        assert json.loads((left / "result.json").read_text()) == told

    def test_folders_are_numbered_by_title_and_seed(self) -> None:
        """Nothing is overwritten; a gap is filled."""
        slug = TITLE.replace(" ", "-")
        assert [run_json()["run"] for _ in range(2)] == [f"runs/{slug}-1-1", f"runs/{slug}-1-2"]
        assert run_json("--seed", "9")["run"] == f"runs/{slug}-9-1"
        assert sorted(path.name for path in Path("runs").iterdir()) == [f"{slug}-1-1", f"{slug}-1-2", f"{slug}-9-1"]

    def test_a_title_without_letters_has_a_folder_too(self) -> None:
        """Names of folders are letters, digits and hyphens."""
        assert run_json("--set", "title=../??!")["run"] == "runs/run-1-1"

    def test_runs_at_the_same_time_do_not_share_a_folder(self) -> None:
        """Each makes its own."""
        words = [sys.executable, "-m", "netswap", "run", "scene.yaml", "--engine", "inline", "--json"]
        words += [*UNSEEN, "--set", "stop=100ms", "--set", "timeline=[]"]
        both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        told = [only_object(one.communicate()[0])["run"] for one in both]
        assert len(set(told)) == 2

    @pytest.mark.parametrize("words", [["--run-dir", "scene.yaml"], ["--run-dir", "scene.yaml/in"], []], ids=str)
    def test_a_folder_that_cannot_be_made_is_an_error_of_the_input(self, words: list[str]) -> None:
        """A file stands there; it stays as it is."""
        Path("runs").write_text("")
        result = run("--json", *words)
        assert result.exit_code == WRONG_INPUT
        [error] = only_object(result.stdout)["errors"]
        assert error["file"] == f"--run-dir {words[-1] if words else 'runs'}"
        assert Path("scene.yaml").read_text() == SCENE

    def test_checking_leaves_nothing(self) -> None:
        """Neither does a scenario that is wrong."""
        netswap("check", "scene.yaml")
        run("--set", "stop=60")
        assert not Path("runs").exists()


# -- what is wrong ------------------------------------------------------------------------------------------------------

FIVE = BROKEN / "five-errors.yaml"


class TestErrors:
    """file:line:column: what is wrong; what would be right."""

    @pytest.mark.parametrize("command", ["run", "check"])
    def test_all_errors_of_a_file_are_told_at_once_on_standard_error(self, command: str) -> None:
        """One a line, and nothing on standard output."""
        result = netswap(command, str(FIVE))
        lines = result.stderr.splitlines()
        assert len(lines) == 5
        assert f'{FIVE}:7:5: unknown key "memroy" in machines.A; did you mean "memory"?' in lines
        assert result.stdout == ""

    @pytest.mark.parametrize("command", ["run", "check"])
    def test_with_json_they_are_told_as_data_too(self, command: str) -> None:
        """The same errors, in pieces."""
        result = netswap(command, str(FIVE), "--json")
        told = only_object(result.stdout)
        assert set(told) == {"errors"}
        assert all(set(error) == {"file", "line", "column", "message", "hint"} for error in told["errors"])
        lines = ["{file}:{line}:{column}: {message}; {hint}".format(**error) for error in told["errors"]]
        assert lines == result.stderr.splitlines()

    @pytest.mark.parametrize(
        ("override", "message", "hint"),
        [
            ("machines.A.memroy=1GiB", 'unknown key "memroy"', 'did you mean "memory"'),
            ("stpo=3s", 'unknown key "stpo"', 'did you mean "stop"'),
            ("safeguards=resreve", '"resreve"', 'did you mean "reserve"'),
            ("stop=60", '"60" has no unit', "60s"),
            ("stop", "there is no =", "stop=VALUE"),
        ],
    )
    @pytest.mark.parametrize("command", ["run", "check"])
    def test_a_mistake_in_an_override_stands_where_it_was_made(
        self, command: str, override: str, message: str, hint: str
    ) -> None:
        """--set KEY=VALUE is the place, and the hint what would be right."""
        result = netswap(command, "scene.yaml", "--set", override)
        assert result.exit_code == WRONG_INPUT
        [line] = result.stderr.splitlines()
        assert line.startswith(f"--set {override}:1:1: ")
        assert message in line
        assert hint in line

    def test_a_missing_file_is_answered_with_those_that_are_there(self) -> None:
        """A slip of the fingers."""
        result = netswap("check", "scene.yml")
        assert result.exit_code == WRONG_INPUT
        assert result.stderr == "scene.yml:1:1: there is no such file; there are scene.yaml\n"

    def test_a_folder_is_no_scenario(self) -> None:
        """It cannot be read as one."""
        result = netswap("check", str(BROKEN))
        assert result.exit_code == WRONG_INPUT
        assert result.stderr.startswith(f"{BROKEN}:1:1: cannot be read: ")

    @pytest.mark.parametrize(
        ("name", "place"), [("tab.yaml", "4:1"), ("open-bracket.yaml", "5:1"), ("latin-1.yaml", "1:1")]
    )
    def test_what_is_no_yaml_is_told_with_its_place(self, name: str, place: str) -> None:
        """Not with a traceback."""
        [line] = netswap("check", str(BROKEN / name)).stderr.splitlines()
        assert line.startswith(f"{BROKEN / name}:{place}: ")


# -- the other commands -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("confused", ["false", "true"])
@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_users_program_that_fails_is_told_with_its_line(
    engine: str, confused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the user's, so its line and the virtual time are told, on Ray too, and no traceback."""
    monkeypatch.setenv("PYTHONPATH", str(Path(programs.__file__).parent))
    own = f"machines.B.programs=[{{programs:Fails: {{after: 7ms, confused: {confused}}}}}]"
    done = process("run", "scene.yaml", "--engine", engine, "--json", *UNSEEN, "--set", own)
    assert done.returncode == WRONG_INPUT
    [error] = only_object(done.stdout)["errors"]
    lines = Path(programs.__file__).read_text().splitlines()
    assert error["file"] == programs.__file__
    assert ("yield 42" if confused == "true" else "the failing line") in lines[error["line"] - 1]
    assert "programs:Fails 0 on B failed at 0.007000 s" in error["message"]
    assert ("42 is no request" if confused == "true" else "IndexError") in error["message"]
    assert "Traceback" not in done.stderr


def test_a_sound_scenario_passes_the_check() -> None:
    """Without being run; an override is checked with it."""
    result = netswap("check", "scene.yaml", "--set", "stop=1000h")
    assert result.exit_code == MET
    assert TITLE in result.stdout
    assert result.stderr == ""
    assert only_object(netswap("check", "scene.yaml", "--json").stdout)["errors"] == []


@pytest.mark.parametrize(
    ("topic", "names"),
    [
        ("safeguards", [*dict.fromkeys([*PRESETS, *SWITCHES])]),
        ("programs", [*PROGRAMS]),
        ("counters", [*COUNTERS]),
        ("causes", [*CAUSES]),
        ("kernels", [*KERNELS]),
    ],
)
def test_a_list_names_everything_once_and_says_what_it_is(topic: str, names: list[str]) -> None:
    """A line for each: the name as scenarios write it, then what it means."""
    result = netswap("list", topic)
    assert result.exit_code == MET
    rows = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    assert [row[0] for row in rows] == names
    assert all(len(row) == 2 for row in rows)


def test_a_list_of_what_is_unknown_is_an_error_that_names_what_is_known() -> None:
    """As everywhere."""
    result = netswap("list", "safegards")
    assert result.exit_code == WRONG_INPUT
    assert "safeguards" in result.stderr


def test_the_schema_is_a_json_schema_and_accepts_what_the_check_accepts() -> None:
    """And refuses what an editor can already see."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = only_object(netswap("schema").stdout)
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    check = validator(schema)
    yaml = YAML(typ="safe", pure=True)
    for path in (EXAMPLE, Path("scene.yaml")):
        assert [error.message for error in check.iter_errors(yaml.load(path.read_text()))] == []
    assert not check.is_valid(yaml.load(FIVE.read_text()))
    assert not check.is_valid(yaml.load(SCENE.replace("stop: 3s", "stop: 3")))


def test_the_version_is_that_of_the_distribution() -> None:
    """One line."""
    result = netswap("--version")
    assert (result.exit_code, result.stdout) == (MET, f"netswap {version('netswap')}\n")


def test_the_installed_command_is_the_same() -> None:
    """The script beside this Python."""
    script = Path(sys.executable).parent / "netswap"
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (MET, f"netswap {version('netswap')}\n")


def test_without_words_the_commands_are_shown() -> None:
    """And it is no success to have asked for nothing."""
    result = netswap()
    assert result.exit_code == WRONG_INPUT
    assert all(command in result.output for command in ("run", "check", "list", "schema"))
