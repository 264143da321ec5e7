"""Input that is meant to do harm, or that nobody looked at: a place and a sentence, soon, and nothing is run."""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mutants import mutants
from scenes import seed
from typer.testing import CliRunner, Result

from netswap.cluster.command.app import app
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.scenario import Problem, Scenario, ScenarioError, cost, files, load, nodes
from netswap.cluster.scenario.check import NAME_MAX
from netswap.cluster.scenario.errors import HINT_MAX, MESSAGE_MAX
from netswap.cluster.scenario.resolved import Resolved
from netswap.cluster.scenario.source import PROBLEMS_MAX
from netswap.cluster.scenario.words import MAX_MACHINES, PAGES_MAX
from netswap.protocol.units import SHOWN_MAX, mib, ms

HEAD = "title: t\nstop: 1s\n"
A = "machines:\n  A: "
SWAPPED = "swap: {server: C, size: 1GiB}, "
C = "\n  C: {programs: [{swap-server: {}}]}\n"
RANK = "programs: [{rank: {working_set: 8MiB, touch: 4KiB, compute: 1ms}}]"
DIGITS = "9" * 5000
LAUGHS = "".join(
    f"{one}: &{one} [{', '.join([f'*{other}'] * 9)}]\n" for other, one in zip("abcdefgh", "bcdefghi", strict=True)
)


def machine(words: str, rest: str = "") -> str:
    """A scenario with one machine."""
    return f"{HEAD}{rest}{A}{{{words}}}{C}"


def program(words: str) -> str:
    """A scenario with one program."""
    return machine(f"{SWAPPED}programs: [{words}]")


HOSTILE: dict[str, str | bytes] = {
    # numbers
    "a seed of 5000 digits": f"{machine(RANK)}seed: {DIGITS}",
    "a hexadecimal seed of 5000 digits": f"{machine(RANK)}seed: 0x{DIGITS}",
    "a seed of 65 bits": f"{machine(RANK)}seed: {2**63}",
    "a number that is infinite": f"{machine(RANK)}seed: 1e400",
    "a number that is none": f"{machine(RANK)}seed: .nan",
    "a time of 5000 digits": f"title: t\nstop: {DIGITS}s\n{A}{C}",
    "a size of 5000 digits": machine(f"memory: {DIGITS}B"),
    "a rate of 5000 digits": machine(f"nic: {{rate: {DIGITS}bit/s}}"),
    "a share of 5000 digits": machine(RANK, f"network: {{loss: {DIGITS}%}}\n"),
    "a count of 5000 digits": machine(f"count: {DIGITS}"),
    "a port of 5000 digits": program(f'{{flood: {{to: "C:{DIGITS}", rate: 1Mbit/s, payload: 1B}}}}'),
    "a count in an expectation of 5000 digits": f"{machine(RANK)}expect: ['A.faults < {DIGITS}']",
    "a reserve of 400 digits": machine(RANK, f"reserve: {{pages: {'9' * 400}}}\n"),
    "a limit of TCP of 400 digits": machine(f"tcp: {{mem: [1, 2, {'9' * 400}]}}"),
    "a user's number of 5000 digits": program(f"{{'a:B': {{x: {DIGITS}}}}}"),
    # limits
    "memory above 64 TiB": machine("memory: 100000TiB"),
    "a working set above 64 TiB": program("{rank: {working_set: 90000TiB, touch: 4KiB}}"),
    "pages beyond all memory": program("{service: {port: 1, pages: 9223372036854775808}}"),
    "a rate above a terabit": program("{flood: {to: 'C:1', rate: 1000000Gbit/s, payload: 1B}}"),
    "a latency of years": machine(RANK, "network: {latency: 100000h}\n"),
    "a latency of hours for one link": machine(RANK, "network: {links: [{from: A, to: C, latency: 2h}]}\n"),
    "an end after years": f"title: t\nstop: 100000h\n{A}{C}",
    "a stall of a nanosecond": machine(RANK, "stall_after: 1ns\n"),
    "a title of 200 kB": f"title: {'t' * 200_000}\nstop: 1s\n{A}{C}",
    "a title of two lines": f'title: "a\\nb"\nstop: 1s\n{A}{C}',
    "a title that moves the cursor": f'title: "\\e[2J"\nstop: 1s\n{A}{C}',
    "a machine's name of 10 kB": f"{HEAD}machines:\n  {'A' * 10_000}: {{}}\n",
    "an expectation of 10 kB": f"{machine(RANK)}expect: ['A is {'x' * 10_000}']",
    "an expectation about spaces": f"{machine(RANK)}expect: ['A{' ' * 10_000}is']",
    "too many machines of a kind": machine("count: 100001"),
    "too many machines of all kinds": f"{HEAD}machines:\n  A: {{count: 60000}}\n  B: {{count: 60000}}\n",
    "machines beyond all memory": HEAD + "machines:\n" + "".join(f"  A{i}x: {{count: 100000}}\n" for i in range(500)),
    "ten thousand million links": (
        f"{HEAD}network: {{links: [{{from: A, to: B, loss: 1%}}]}}\nmachines:\n  A: {{count: 50000}}\n  B: {{count: 50000}}\n"
    ),
    "a flood from many to many": (
        f"{HEAD}machines:\n  A: {{count: 50000, programs: [{{service: {{port: 1}}}}]}}\n"
        "  B: {count: 50000, programs: [{flood: {to: 'A:1', rate: 1Mbit/s, payload: 1B}}]}\n"
    ),
    "too many programs": machine(
        f"programs: [{', '.join(f'{{service: {{port: {one + 1}}}}}' for one in range(1100))}]"
    ),
    "a fault twice": f"{machine(RANK)}timeline: [{{at: 1ms, crash: C, for: 1ms}}, {{at: 1000us, crash: C, for: 2ms}}]",
    "an expectation twice": f"{machine(RANK)}expect: [A is wedged, 'A  is   wedged']",
    # YAML
    "no int": f"{machine(RANK)}seed: !!int abc",
    "no float": f"{machine(RANK)}seed: !!float abc",
    "no bool": f"{machine(RANK)}seed: !!bool abc",
    "an int of nothing": f'{machine(RANK)}seed: !!int ""',
    "no null": f"{machine(RANK)}seed: !!null abc",
    "a sign of no number": f"{machine(RANK)}seed: -_",
    "a number of base 60": f"%YAML 1.1\n---\n{machine(RANK)}seed: 1:30",
    "a tag of Python's": f"{machine(RANK)}seed: !!python/object/apply:os.system [ls]",
    "a tag of one's own": f"{machine(RANK)}seed: !mine 3",
    "a set": f"{machine(RANK)}seed: !!set {{a, b}}",
    "bytes": f"{machine(RANK)}seed: !!binary aGFsbG8=",
    "a mapping that is said to be a list": f"{HEAD}machines: !!seq {{}}",
    "a date": f"title: t\nstop: 2024-01-01\n{A}{C}",
    "half a character": f'title: "\\uD800"\nstop: 1s\n{A}{C}',
    "a NUL that is written": f'title: "a\\0b"\nstop: 1s\n{A}{C}',
    "a character beyond all": f'title: "\\UFFFFFFFF"\nstop: 1s\n{A}{C}',
    "20,000 brackets": f"title: {'[' * 20_000}",
    "3,000 braces": f"title: {'{a: ' * 3_000}",
    "10,000 dashes": f"{'- ' * 10_000}a",
    "10,000 questions": "? " * 10_000,
    "300 levels": "".join(f"{' ' * level}a:\n" for level in range(300)),
    "a billion laughs": f"a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\n{LAUGHS}",
    "an alias of itself": "a: &a [*a]\n",
    "an alias of nothing": "a: *b\n",
    "a key that is a list": "? [a, b]\n: c\n",
    "a key twice": f"{HEAD}stop: 2s\n{A}{C}",
    "a key that is a number": f"{machine(RANK)}1: 2",
    "a key of 10 kB": f"{machine(RANK)}{'k' * 10_000}: 2",
    "1,000 unknown keys": machine(RANK) + "".join(f"key{one}: 1\n" for one in range(1000)),
    "too many values": f"a: [{'1,' * (nodes.VALUES_MAX + 1)}]",
    "two documents": f"{machine(RANK)}---\n{machine(RANK)}",
    "another YAML": "%YAML 9.9\n---\na: 1\n",
    "nothing but a comment": "# nothing\n" * 1000,
    "a line of 250 kB": f"# {'x' * 250_000}\n",
    # bytes
    "a megabyte": b"a: 1\n" * 200_000,
    "a megabyte of brackets": b"[" * 1_000_000,
    "a megabyte of a title": b"title: " + b"t" * 1_000_000,
    "no bytes": b"",
    "a NUL": b"title: a\0b\n",
    "Latin 1": b"title: \xe9\n",
    "half a letter": b"title: \xc3",
    "UTF-16": "title: t\n".encode("utf-16"),
    "a program for this computer": b"\x7fELF\x02\x01\x01" + b"\0" * 100,
    "escapes for a terminal": b"title: \x1b[31m\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def netswap(*words: str) -> Result:
    """The command, in this process."""
    result = CliRunner().invoke(app, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def problems_of(text: str, **how: Any) -> list[Problem]:
    """What is wrong with it, which must be something."""
    with pytest.raises(ScenarioError) as caught:
        load(text, **how)
    return caught.value.problems


def loaded_or_problems(text: str, *overrides: tuple[str, object]) -> Scenario | list[Problem]:
    """The scenario, or what is wrong with it."""
    try:
        return load(text, overrides=overrides)
    except ScenarioError as error:
        return error.problems


def is_fit_to_read(problem: Problem) -> bool:
    """On one line, at a place, and with no more than 60 characters of one word."""
    told = f"{problem.message}; {problem.hint}"
    return (
        problem.line >= 1 <= problem.column
        and told.isprintable()
        and len(problem.message) <= MESSAGE_MAX
        and len(problem.hint) <= HINT_MAX
        and all(len(word) <= SHOWN_MAX + 4 for word in told.split())
    )


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_input_is_an_error_with_a_place(hostile: str | bytes, folder: Path) -> None:
    """No traceback, no wrong status, no line that nobody can read; and JSON says the same."""
    (folder / "s.yaml").write_bytes(hostile if isinstance(hostile, bytes) else hostile.encode())
    result = netswap("check", "s.yaml", "--json")
    assert result.exit_code == 2
    told = [Problem(**one) for one in json.loads(result.stdout)["errors"]]
    assert 1 <= len(told) <= PROBLEMS_MAX
    assert result.stderr.splitlines() == [str(one) for one in told]
    assert all(map(is_fit_to_read, told))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (f"seed={DIGITS}", "too long"),
        (f"timeline.{DIGITS}.at=1s", "no item"),
        (f"{'a.' * 3000}b=1", "nested too deeply"),
        (f"{'k' * 3000}=1", "unknown key"),
        (f"title={'[' * 3000}", "nested too deeply"),
        (f"title={'t' * 3000}", "too long"),
        ("seed=!!int abc", "no int"),
        ("title='a\n\nb'", "does not print"),
        ("x" * 3000, "there is no ="),
        ("machines=*a", "alias"),
    ],
)
def test_a_hostile_override_is_an_error_that_shows_a_little_of_it(override: str, said: str) -> None:
    """It stands where the file's name would."""
    text = f"{machine(RANK)}timeline: [{{at: 1ms, crash: C, for: 1ms}}]\n"
    found = problems_of(text, overrides=[override])
    assert any(said in one.message for one in found), found
    assert all(is_fit_to_read(one) and len(one.file) <= SHOWN_MAX + len("--set ") for one in found)


@pytest.mark.parametrize(
    "value",
    [10**5000, -(10**5000), {1: 2}, float("nan"), object(), (1, 2), b"x"],
    ids=lambda value: type(value).__name__,
)
def test_a_hostile_value_of_a_caller_is_an_error(value: object) -> None:
    """What a test or a notebook hands over has not gone through YAML."""
    for key in (
        "seed",
        "title",
        "stop",
        "machines",
        "expect",
        "machines.A.memory",
        "machines.A.tcp.mem",
        "network.loss",
    ):
        assert all(map(is_fit_to_read, problems_of(machine(RANK), overrides=[(key, value)])))


def test_a_value_within_itself_is_an_error() -> None:
    """A list of a caller's can be endless."""
    endless: list[object] = []
    endless.append(endless)
    [problem] = problems_of(machine(RANK), overrides=[("safeguards", endless)])
    assert "nested too deeply" in problem.message


class TestFiles:
    """What is given as SCENARIO need not be a file."""

    @pytest.mark.parametrize(
        "path", ["/dev/zero", "/dev/null", "/dev", ".", "", "pipe", "gone", "loop", "a\0b", "n" * 5000]
    )
    def test_what_is_no_file_is_an_error(self, path: str) -> None:
        """Nothing waits for a pipe that nobody writes to, or reads a device without end."""
        os.mkfifo("pipe")
        Path("loop").symlink_to("loop")
        result = netswap("check", path)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_what_may_not_be_read_is_an_error(self, folder: Path) -> None:
        """It says why."""
        (folder / "s.yaml").write_text(machine(RANK))
        (folder / "s.yaml").chmod(0)
        assert "Permission denied" in netswap("check", "s.yaml").stderr

    def test_a_file_of_windows_is_read(self, folder: Path) -> None:
        """A mark of its byte order, lines that end in two characters: places are the same."""
        (folder / "s.yaml").write_bytes(b"\xef\xbb\xbf" + machine(RANK).replace("\n", "\r\n").encode())
        assert load(folder / "s.yaml").title == "t"
        (folder / "s.yaml").write_bytes(b"\xef\xbb\xbf" + machine("memroy: 1MiB").replace("\n", "\r\n").encode())
        assert ":4:7: " in netswap("check", "s.yaml").stderr

    def test_no_more_of_a_large_file_is_read_than_shows_that_it_is_large(self, folder: Path) -> None:
        """One that is sparse, and larger than any memory."""
        with (folder / "s.yaml").open("wb") as file:
            file.truncate(1 << 40)
        assert "too large for a scenario" in netswap("check", "s.yaml").stderr


class TestBounds:
    """What is refused is found before much has been done: counted in steps, not in seconds."""

    @pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 50_000, "- " * 100_000], ids=["[", "{", "-"])
    def test_depth_is_seen_after_so_many_events(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """As many nodes are begun as there may be levels."""
        begun: list[None] = []
        tag = nodes._check_tag
        monkeypatch.setattr(nodes, "_check_tag", lambda event: (begun.append(None), tag(event)))
        problems_of(f"{text}\n")
        assert len(begun) <= 2 * nodes.DEPTH_MAX + 2

    def test_a_text_that_is_too_large_is_not_composed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its size is all that is looked at."""
        monkeypatch.setattr(nodes, "YAML", None)
        [problem] = problems_of("\n" * (files.BYTES_MAX + 1))
        assert "too large" in problem.message

    def test_aliases_count_as_what_they_stand_for(self) -> None:
        """Nine to the ninth values are never made."""
        assert f"{nodes.VALUES_MAX} values" in problems_of(str(HOSTILE["a billion laughs"]))[0].hint

    def test_a_ring_of_swappers_is_found_however_long(self) -> None:
        """Each of 1,000 machines swaps to the next: no recursion, and the words of it fit onto a line."""
        ring = "".join(
            f"  A{one}x: {{swap: {{server: A{(one + 1) % 1000}x, size: 1MiB}}, programs: [{{swap-server: {{}}}}]}}\n"
            for one in range(1000)
        )
        [problem] = problems_of(f"{HEAD}machines:\n{ring}")
        assert problem.message.startswith("in mutual swap every server is a process: A0x > A1x > A2x")
        assert is_fit_to_read(problem)

    def test_a_crowd_of_swappers_is_not_walked_by_every_way(self) -> None:
        """Among 12 processes that all swap to each other there are a thousand million ways round."""
        crowd = [f"M{one}" for one in range(12)]
        text = "".join(
            f"  {name}: {{swap: {{servers: [{', '.join(one for one in crowd if one != name)}], transport: nbd, size: 1MiB}},"
            " programs: [{swap-server: {pages: 4, lock: true}}]}\n"
            for name in crowd
        )
        assert len(load(f"{HEAD}machines:\n{text}").words.machines) == 12


LIMITS = [
    ("network.latency", "1h", "3601s", "at most 1h"),
    ("stop", "10000h", "10001h", "at most 10000h"),
    ("machines.A.memory", "64TiB", "65TiB", "at most 64TiB"),
    ("machines.A.nic.rate", "1000Gbit/s", "1001Gbit/s", "at most 1000Gbit/s"),
    ("machines.A.disk.bandwidth", "1000GB/s", "1001GB/s", "at most 1000GB/s"),
    ("reserve.pages", PAGES_MAX, PAGES_MAX + 1, f"at most {PAGES_MAX}"),
    ("seed", 2**63 - 1, 2**63, f"at most {2**63 - 1}"),
    ("machines.A.cpus", 8192, 8193, "at most 8192"),
    ("machines.A.swap.in_flight", 65_536, 65_537, "at most 65536"),
    ("title", "t" * 200, "t" * 201, "at most 200 characters"),
    ("stall_after", "1ms", "999us", "at least 1ms"),
]


@pytest.mark.parametrize(("key", "most", "more", "hint"), LIMITS)
def test_a_limit_is_said_where_it_is_passed(key: str, most: object, more: object, hint: str) -> None:
    """What the limit itself is may be too much for a machine, and is no error of that value."""
    text = machine(f"{SWAPPED}{RANK}")
    [problem] = problems_of(text, overrides=[(key, more)])
    assert hint in problem.hint
    loaded = loaded_or_problems(text, (key, most))
    assert isinstance(loaded, Scenario) or not any(re.search("too (large|small|long)", one.message) for one in loaded)


@pytest.mark.parametrize("rate", ["1000Gbit/s", "1bit/s"])
@pytest.mark.parametrize("train", ["0ns", "1h"])
def test_floods_at_the_limits_run(rate: str, train: str) -> None:
    """The shortest frames take less than a nanosecond, and an hour has more of them than a train can have."""
    text = (
        f"{HEAD}network: {{framing: none, latency: 1us}}\nmachines:\n  A: {{programs: [{{service: {{port: 1}}}}]}}\n"
        f"  B: {{nic: {{rate: {rate}}}, programs: [{{flood: {{to: 'A:1', rate: {rate}, payload: 1B, train: {train}}}}}]}}\n"
    )
    run_engine(load(text).resolved(), 5_000)


def numbers(schema: object) -> Iterator[dict[str, Any]]:
    """All whole numbers and quantities of a JSON Schema."""
    if isinstance(schema, dict):
        if schema.get("type") == "integer" or isinstance(schema.get("pattern"), str):
            yield schema
        for one in schema.values():
            yield from numbers(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from numbers(one)


def test_every_number_has_its_limits_in_the_schema() -> None:
    """A whole number as JSON Schema says it; a quantity with a unit, for which it has no word, in its description."""
    found = list(numbers(Scenario.schema()))
    assert len(found) > 80
    for one in found:
        if one["type"] == "integer":
            assert {"minimum", "maximum"} <= one.keys(), one
        else:
            assert " to " in one["description"], one


# -- code -------------------------------------------------------------------------------------------------------------

HARM = """\
import sys
from pathlib import Path
Path("imported").touch()
{at_import}
class Mine:
    pages = 4
    def __init__(self, **settings):
        Path("made").touch()
        {at_making}
    def run(self, system):
        Path("run").touch()
        yield system.sleep_until(1000)
class Plain:
    def __init__(self, **settings):
        Path("made").touch()
class Called(Plain):
    def run(self, system):
        Path("run").touch()
"""
TRACES = ("imported", "made", "run")


def own(kind: str = "harm:Mine") -> str:
    """A scenario that names a class of the user's, in its line 5."""
    return f"{HEAD}machines:\n  A:\n    programs: [{{'{kind}': {{}}}}]\n"


@pytest.fixture
def harm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Writes the module harm, with what it is to do when it is imported, and when its class is made."""

    def write(at_import: str = "", at_making: str = "") -> None:
        sys.modules.pop("harm", None)
        (folder / "harm.py").write_text(HARM.format(at_import=at_import, at_making=at_making))

    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write()
    yield write
    sys.modules.pop("harm", None)


def traces(folder: Path) -> list[str]:
    """What has been done."""
    return [one for one in TRACES if (folder / one).exists()]


class TestCode:
    """A scenario with a class of one's own is code, and code is run by a run alone."""

    @pytest.mark.parametrize(
        "words", [["check", "s.yaml"], ["check", "s.yaml", "--json"], ["schema"], ["list", "programs"]]
    )
    def test_to_read_a_scenario_runs_nothing_of_it(self, words: list[str], folder: Path, harm: Any) -> None:
        """It is not even imported."""
        (folder / "s.yaml").write_text(own())
        assert netswap(*words).exit_code == 0
        assert traces(folder) == []
        assert "harm" not in sys.modules

    def test_to_check_with_import_makes_it_but_does_not_run_it(self, folder: Path, harm: Any) -> None:
        """Settings that the class does not take, a class that is not there, and pages without room are found so."""
        (folder / "s.yaml").write_text(own())
        assert netswap("check", "--import", "s.yaml").exit_code == 0
        assert traces(folder) == ["imported", "made"]

    def test_a_run_runs_it(self, folder: Path, harm: Any) -> None:
        """In a cluster as well."""
        (folder / "s.yaml").write_text(own())
        assert netswap("run", "s.yaml", "--engine", "inline").exit_code == 0
        assert traces(folder) == ["imported", "made", "run"]

    @pytest.mark.parametrize("kind", ["harm:Plain", "harm:Called"])
    def test_what_has_no_generator_is_never_made(self, kind: str, folder: Path, harm: Any) -> None:
        """That is seen from the class."""
        [problem] = problems_of_run(own(kind))
        assert problem.message == f"{kind} has no generator run"
        assert traces(folder) == ["imported"]

    @pytest.mark.parametrize(
        "kind", ["subprocess:Popen", "threading:Thread", "cProfile:Profile", "builtins:exec", "os:system"]
    )
    def test_no_class_of_pythons_own_is_made(self, kind: str) -> None:
        """With these settings the first would run a command."""
        text = own(kind).replace(": {}", ": {args: touch made, shell: true}")
        load(text)
        [problem] = problems_of_run(text)
        assert (problem.line, problem.column) == (5, 17)
        assert not Path("made").exists()

    @pytest.mark.parametrize("how", [{"at_import": "sys.exit(0)"}, {"at_making": "sys.exit(0)"}])
    def test_code_that_leaves_is_an_error_of_the_input(self, how: dict[str, str], folder: Path, harm: Any) -> None:
        """SystemExit ends neither netswap nor the explanation."""
        harm(**how)
        (folder / "s.yaml").write_text(own())
        for words in (["check", "--import", "s.yaml"], ["run", "s.yaml", "--engine", "inline"]):
            result = netswap(*words)
            assert result.exit_code == 2
            assert result.stderr.startswith("s.yaml:5:17: ")
            assert "SystemExit" in result.stderr

    @pytest.mark.parametrize("how", [{"at_import": "1 / 0"}, {"at_making": "1 / 0"}, {"at_making": "self.pages = 'x'"}])
    def test_code_that_fails_is_an_error_of_the_input(self, how: dict[str, str], harm: Any) -> None:
        """At import, when it is made, or in what it says of itself."""
        harm(**how)
        [problem] = problems_of_run(own())
        assert (problem.line, problem.column) == (5, 17)

    def test_an_interrupt_is_no_error_of_the_input(self, harm: Any) -> None:
        """A user that presses Ctrl-C while a module is imported wants to leave."""
        harm(at_import="raise KeyboardInterrupt")
        with pytest.raises(KeyboardInterrupt):
            load(own()).check_whole()

    def test_what_it_prints_is_not_among_our_json(self, folder: Path, harm: Any) -> None:
        """Standard output has one JSON object and nothing else."""
        harm(at_import="print('hello')", at_making="print('hello')")
        (folder / "s.yaml").write_text(own())
        result = netswap("check", "--import", "--json", "s.yaml")
        assert json.loads(result.stdout)["errors"] == []
        assert "hello" in result.stderr

    def test_the_other_programs_of_such_a_machine_are_checked_without_it(self, harm: Any) -> None:
        """And at their place, which is not changed by its being left out."""
        [problem] = problems_of(
            own().replace("programs: [", "programs: [{'harm:Mine': {}}, {service: {port: 1, pages: 200000}}, ")
        )
        assert (problem.line, problem.column) == (5, 35)


def problems_of_run(text: str) -> list[Problem]:
    """What only shows when the code is imported."""
    with pytest.raises(ScenarioError) as caught:
        load(text).check_whole()
    return caught.value.problems


# -- what it costs ------------------------------------------------------------------------------------------------------


class TestCost:
    """What a run will cost is told before it."""

    def test_every_config_may_be_run(self) -> None:
        """In process each takes less than an hour, and less memory than a small computer has."""
        for path in sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml")):
            if path.parent.name != "experiments":
                assert cost.too_much(cost.estimate(load(path).resolved()), 2 << 30) == [], path

    def test_windows_are_no_more_than_the_latency_allows(self) -> None:
        """stop / latency: 1 ns and a minute are 60,000,000,000 windows."""
        text = seed(stop="60s").replace("latency: 2ms", "latency: 1ns")
        will_cost = cost.estimate(load(text).resolved())
        assert will_cost.windows_max == 60_000_000_000
        assert will_cost.windows <= will_cost.windows_max

    def test_an_actor_costs_its_process(self) -> None:
        """10,000 machines, one actor each, and the network."""
        resolved = load(f"{HEAD}machines: {{A: {{count: 10000}}}}\n").resolved()
        alone, packed = (cost.estimate(resolved, hosts=hosts) for hosts in (10_000, 10))
        assert alone.memory_bytes >= 10_001 * cost.ACTOR_BYTES
        assert packed.memory_bytes < alone.memory_bytes / 100

    def test_a_page_costs_its_bytes(self) -> None:
        """64 TiB are 2**34 pages; nothing of them is made to know that."""
        text = program("{rank: {working_set: 1TiB, touch: 4KiB, compute: 1ms, start: cold}}").replace("1GiB", "2TiB")
        assert cost.estimate(load(text).resolved()).memory_bytes > (1 << 28) * cost.PAGE_BYTES

    def test_an_idle_scenario_costs_next_to_nothing(self) -> None:
        """Idle time is skipped."""
        will_cost = cost.estimate(load(f"title: t\nstop: 1000h\n{A}{{}}{C}").resolved())
        assert will_cost.windows < 10
        assert will_cost.seconds < 1

    @pytest.mark.parametrize(("refill", "may_begin"), [("e1000", True), ("virtio", False)])
    def test_an_hour_of_a_flood_that_is_only_counted_may_begin(self, refill: str, may_begin: bool) -> None:
        """At line rate, 293 million frames; a card of virtio receives each by itself."""
        flood = '{flood: {to: "A:9000", rate: 1Gbit/s, payload: 1472B}}'
        service = "programs: [service: {port: 9000}]"
        machines = f"A: {{nic: {{refill: {refill}}}, {service}}}, B: {{programs: [{flood}]}}"
        text = f"title: t\nstop: 1h\nnetwork: {{latency: 100us}}\nmachines: {{{machines}}}\n"
        assert (cost.too_much(cost.estimate(load(text).resolved()), 2 << 30) == []) == may_begin

    def test_check_tells_it(self, folder: Path) -> None:
        """In its line, and in its JSON."""
        (folder / "s.yaml").write_text(seed())
        told = json.loads(netswap("check", "s.yaml", "--json", "--engine", "inline").stdout)["cost"]
        assert told == cost.estimate(load(seed()).resolved()).as_json()
        assert f"{told['windows']:,} windows" in netswap("check", "s.yaml", "--engine", "inline").stdout

    def test_a_run_of_more_than_an_hour_is_refused(self, folder: Path) -> None:
        """With the numbers, what would be smaller, and nothing left behind."""
        (folder / "s.yaml").write_text(seed(stop="60s").replace("latency: 2ms", "latency: 1ns"))
        result = netswap("run", "s.yaml", "--engine", "inline")
        assert result.exit_code == 2
        assert "60,000,000,000" in result.stderr
        assert "a larger latency" in result.stderr
        assert [one.name for one in folder.iterdir()] == ["s.yaml"]

    def test_a_run_of_more_memory_than_there_is_is_refused(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Unless it is wanted anyway."""
        monkeypatch.setattr(cost, "available_bytes", lambda: mib(50))
        (folder / "s.yaml").write_text(f"{HEAD}{A}{{}}{C}")
        refused = netswap("run", "s.yaml", "--engine", "inline", "--json")
        assert refused.exit_code == 2
        assert "of memory" in json.loads(refused.stdout)["errors"][0]["message"]
        assert netswap("run", "s.yaml", "--engine", "inline", "--anyway").exit_code == 0


# -- warnings -----------------------------------------------------------------------------------------------------------


class TestWarnings:
    """What is no mistake, but hardly what was meant."""

    BARE = seed().replace("sockets: 32, pages: 64", "sockets: 32")

    def test_a_flood_to_a_service_without_pages(self, folder: Path) -> None:
        """On standard error and in JSON, at the service; the status is the same."""
        (folder / "s.yaml").write_text(self.BARE)
        result = netswap("check", "s.yaml", "--json")
        assert result.exit_code == 0
        told = json.loads(result.stdout)
        [warning] = told["warnings"]
        line = next(line for line, text in enumerate(self.BARE.splitlines(), 1) if "service" in text)
        assert (warning["file"], warning["line"]) == ("s.yaml", line)
        assert "pages: 64" in warning["hint"]
        place = f"s.yaml:{line}:{warning['column']}"
        assert result.stderr == f"{place}: warning: {warning['message']}; {warning['hint']}\n"
        assert told["errors"] == []

    @pytest.mark.parametrize(
        ("find", "replace", "warned"),
        [
            ("pages: 64", "pages: 64", False),
            ("pages: 64", "pages: 0", True),
            ("pages: 64", "pages: 64, lock: true", True),
            ("pages: 64", "text: 1MiB", False),
            ("pages: 64", "work: 1s", False),
            ("pages: 64", "work: 1us", True),
            ("port: 9000", "port: 9000", False),
        ],
    )
    def test_only_what_reads_through_an_outage(self, find: str, replace: str, warned: bool) -> None:
        """Program text comes back from disk, and who is busy does not read."""
        assert bool(load(seed().replace(find, replace)).warnings) == warned

    def test_not_where_nothing_is_swapped(self) -> None:
        """Then no service can be part of a loop."""
        text = self.BARE.replace("swap: {server: C", "reserve: {pages: 4}, x: {server: C")
        text = re.sub(r"\n    swap: .*", "", self.BARE)
        assert text != self.BARE
        assert load(text.replace("working_set: 80MiB", "working_set: 8MiB")).warnings == ()

    def test_a_run_says_them_too(self, folder: Path) -> None:
        """Before it begins."""
        (folder / "s.yaml").write_text(self.BARE)
        assert ": warning: " in netswap("run", "s.yaml", "--engine", "inline", "--set", "stop=1ms").stderr


# -- mutants ------------------------------------------------------------------------------------------------------------


def stands_still(resolved: Resolved) -> bool:
    """Whether a rank may touch its pages without end at one instant."""
    programs = [program for machine in resolved.machines for program in machine.programs]
    return any(kind == "rank" and not settings["compute"] for kind, settings in programs)


@pytest.mark.parametrize("seed_of_mutants", range(4))
def test_a_changed_scenario_is_one_that_runs_or_an_error_with_a_place(seed_of_mutants: int) -> None:
    """Values lost, doubled, swapped and replaced by nasty ones; those that are accepted run for a moment."""
    ran = 0
    for text in mutants(seed_of_mutants, 80):
        loaded = loaded_or_problems(text)
        if isinstance(loaded, Scenario):
            ran += run_for_a_moment(loaded.resolved())
        else:
            assert loaded
            assert all(map(is_fit_to_read, loaded)), text
    assert ran > 10


def run_for_a_moment(resolved: Resolved) -> bool:
    """20 ms, or as far as a few windows go; whether it was not too large for that."""
    if len(resolved.machines) > 100 or cost.too_much(cost.estimate(resolved), mib(500)) or stands_still(resolved):
        return False
    run_engine(resolved, ms(20))
    return True


def run_engine(resolved: Resolved, until_ns: int) -> None:
    """To this time, or as far as a few windows go."""
    engine = InlineEngine(resolved)
    try:
        windows = iter(range(300))
        engine._clock.run(min(resolved.stop_ns, until_ns), lambda: next(windows, None) is not None)
        assert engine.state().now_ns > 0
    finally:
        engine.close()


def test_limits_are_what_the_reference_says() -> None:
    """The numbers of the section on limits."""
    reference = " ".join((Path(__file__).parents[2] / "docs" / "scenarios.md").read_text().split())
    for said in (
        f"{files.BYTES_MAX >> 10} KiB",
        f"{nodes.DEPTH_MAX} levels",
        f"{nodes.VALUES_MAX:,} values",
        f"{MAX_MACHINES:,} machines",
        f"{NAME_MAX} characters",
        f"{SHOWN_MAX} characters",
    ):
        assert said in reference, said
