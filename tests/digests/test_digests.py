"""What the bytes of every run were when its digest was committed, they are now: shortly here, all of it where there is time."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import digests
import pytest
from cells import CONFIGS, all_cells, experiment_files, scenario_files, short, short_files, validation_files
from digests import FILE, Difference, differences, main, read, written

ONE, OTHER = 64 * "1", 64 * "2"


@dataclass(frozen=True)
class Planted:
    """A run that says this, or fails."""

    name: str
    digest: str | None

    def digests(self):
        """As told."""
        if self.digest is None:
            raise RuntimeError("out of pages")
        return {f"{self.name}, run 1": self.digest}


@pytest.fixture
def make(tmp_path, monkeypatch, capsys):
    """`make digests` with a file of its own, and these runs alone, in this process: its status, and what it prints."""
    monkeypatch.setattr(digests, "FILE", tmp_path / "digests.txt")
    monkeypatch.setattr(digests, "ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1))

    def made(*words, runs):
        monkeypatch.setattr(digests, "all_cells", lambda: iter(runs))
        return main(words), capsys.readouterr().out.splitlines()

    return made


@pytest.mark.parametrize("path", short_files(), ids=lambda path: path.stem)
def test_a_scenario_sends_the_same_bytes_as_ever_for_a_short_time(path):
    """As it is written. What is meant to differ is written anew with `make digests-write`, and said in the commit."""
    seen = short(path).digests()
    promised = read(FILE.read_text())
    assert differences({name: promised[name] for name in seen.keys() & promised.keys()}, seen) == []


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_everything_sends_the_same_bytes_as_ever(capsys):
    """Scenarios, experiments, claims and ablations, to their ends."""
    assert main() == 0, capsys.readouterr().out


def test_every_scenario_and_experiment_is_among_them():
    """Of the matrix the experiment runs every cell."""
    apart = {path for path in CONFIGS.rglob("*.yaml") if path.parent.name != "matrix"}
    assert apart == {*scenario_files(), *experiment_files(), *validation_files()}


def test_everything_has_a_digest():
    """Claims and ablations by each of their runs, the others by their names: what is new has none until somebody writes it."""
    promised = {name.partition(", run ")[0] for name in read(FILE.read_text())}
    known = [cell.name for cell in all_cells()]
    assert [name for name in known if name not in promised] == []
    assert [name for name in promised if name not in known] == []


def test_a_file_reads_as_it_was_written():
    """Names have spaces in them; the lines are in their order."""
    digests = {"b.yaml kernel=linux-6.11": ONE, "a.yaml safeguards=[merged, rx-head]": OTHER}
    assert read(written(digests)) == digests
    assert written(digests).splitlines() == sorted(written(digests).splitlines())


def test_what_differs_is_new_or_is_gone_is_named():
    """With what was expected and what is seen."""
    expected, seen = {"same": ONE, "other": ONE, "gone": ONE}, {"same": ONE, "other": OTHER, "new": ONE}
    found = differences(expected, seen)
    assert found == [
        Difference("gone", ONE, None),
        Difference("new", None, ONE),
        Difference("other", ONE, OTHER),
    ]
    assert [str(one) for one in found] == [
        f"gone: expected {ONE}, seen no such run",
        f"new: no digest yet; seen {ONE}",
        f"other: expected {ONE}, seen {OTHER}",
    ]


def test_what_differs_is_told_until_it_is_written(make):
    """Only what was asked for is run, compared and written: `kept` stays as it was."""
    kept, one, other = Planted("kept", ONE), Planted("changed", ONE), Planted("changed", OTHER)
    assert make("--write", runs=[kept, one]) == (0, ["2 digests, 0 differences"])
    told = (1, [f"changed, run 1: expected {ONE}, seen {OTHER}", "1 digests, 1 differences"])
    assert make("changed", runs=[kept, other]) == told
    assert make("--write", "changed", runs=[Planted("kept", OTHER), other]) == (0, ["1 digests, 0 differences"])
    assert make(runs=[kept, other]) == (0, ["2 digests, 0 differences"])


def test_a_run_that_fails_is_told_and_writes_nothing(make):
    """It has no digest, so the file stays."""
    assert make("--write", runs=[Planted("one", ONE)])[0] == 0
    status, told = make("--write", runs=[Planted("one", None)])
    assert (status, told[0]) == (1, "one could not be run: RuntimeError: out of pages")
    assert make(runs=[Planted("one", ONE)])[0] == 0
