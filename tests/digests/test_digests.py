"""What the bytes of every run were when its digest was committed, they are now: shortly here, all of it where there is time."""

import pytest
from cells import CONFIGS, experiment_files, scenario_files, short, short_files
from digests import FILE, Difference, differences, main, read, written

ONE, OTHER = 64 * "1", 64 * "2"


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
    """A new one has no digest yet until somebody writes it; of the matrix the experiment runs every cell."""
    apart = {path for path in CONFIGS.rglob("*.yaml") if path.parent.name != "matrix"}
    assert apart == {*scenario_files(), *experiment_files()}
    promised = read(FILE.read_text())
    for path in apart:
        name = path.relative_to(CONFIGS).as_posix()
        assert any(one.startswith(f"{name} ") for one in promised), f"{name} has no digest yet"


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
