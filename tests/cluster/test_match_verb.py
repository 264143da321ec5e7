"""The verb `netswap match`: what it prints, what it writes, and with which status it ends; and our own exports, read back."""

import bz2
import gzip
import json
import lzma
import random
from functools import cache
from pathlib import Path

import kernel_logs as logs
import pytest
from exported import kept, new_folder
from typer.testing import CliRunner, Result

from netswap.cluster.command.app import app
from netswap.cluster.export import exports
from netswap.cluster.export.exports import Asked
from netswap.cluster.export.window import Window
from netswap.cluster.match.ring import COMPLETE, GRADES, NOT_THIS
from netswap.cluster.scenario import load
from netswap.protocol.units import seconds


def match(*words: str, given: bytes | None = None) -> Result:
    """The command, in this process."""
    result = CliRunner().invoke(app, ["match", *words], input=given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(name="log")
def _log(tmp_path: Path) -> Path:
    """A log with the whole loop."""
    path = tmp_path / "dmesg"
    path.write_text(logs.stamped(logs.ring()))
    return path


def test_the_text_quotes_lines_and_names_scenarios(log: Path) -> None:
    said = match(str(log))
    assert said.exit_code == 0
    lines = log.read_text().splitlines()
    assert said.stdout.startswith(f"{log}: ring complete\n")
    assert f"2: {lines[1]}" in said.stdout
    assert "configs/matrix/tcp-service.yaml" in said.stdout


def test_json_is_one_object_with_the_keys_of_the_page(log: Path) -> None:
    told = json.loads(match(str(log), "--json").stdout)
    page = (Path(__file__).parents[2] / "docs" / "match.md").read_text()
    assert [key for key in told if f"`{key}`" not in page] == []
    assert (told["grade"], told["transport"], told["kernel"]) == (COMPLETE, "nbd", "6.1.0-18-amd64")
    assert all(set(quote) == {"line", "text"} for link in told["links"] for quote in link["lines"])


def test_standard_input_is_a_dash(log: Path) -> None:
    assert json.loads(match("-", "--json", given=log.read_bytes()).stdout)["grade"] == COMPLETE


def test_the_scenario_of_the_memory_is_written_and_right(log: Path, tmp_path: Path) -> None:
    made = tmp_path / "made.yaml"
    assert match(str(log), "--out", str(made)).exit_code == 0
    checked = CliRunner().invoke(app, ["check", str(made)])
    assert checked.exit_code == 0, checked.stderr
    assert load(made).resolved().machines[0].memory == 500_000 << 10


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing", None, "there is no such file"),
        ("empty", b"", "this is empty"),
        ("binary", random.Random(1).randbytes(100_000), "this is no text"),
        ("zeros", bytes(1000), "this is nothing but zero bytes"),
    ],
    ids=["missing", "empty", "binary", "zeros"],
)
def test_what_is_no_log_is_an_error_with_its_file(tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    for words in ((), ("--json",)):
        result = match(str(path), *words)
        assert result.exit_code == 2
        assert f"{path}:1:1: {said}" in result.stderr
    assert json.loads(result.stdout)["errors"][0]["file"] == str(path)


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("ending", PACKERS)
def test_a_log_may_be_packed_as_logrotate_does(log, tmp_path, ending):
    packed = tmp_path / f"kern.log.2.{ending}"
    packed.write_bytes(PACKERS[ending](log.read_bytes()))
    plain, found = (json.loads(match(str(path), "--json").stdout) for path in (log, packed))
    assert found == plain | {"log": str(packed)}


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("spoil", [lambda data: data[: len(data) // 2], lambda data: data[:40] + b"no" * 200])
def test_a_packed_log_that_is_damaged_or_cut_off_is_an_error(log, tmp_path, ending, spoil):
    packed = tmp_path / f"kern.log.{ending}"
    packed.write_bytes(spoil(PACKERS[ending](log.read_bytes())))
    done = match(str(packed))
    assert done.exit_code == 2
    assert f"{packed}:1:1: this is packed, and damaged or cut off" in done.stderr


def test_a_folder_is_an_error(tmp_path):
    result = match(str(tmp_path))
    assert (result.exit_code, "this is a folder" in result.stderr) == (2, True)


def test_a_log_without_memory_gives_no_scenario(tmp_path):
    path = tmp_path / "log"
    path.write_text(logs.stamped(logs.failed()))
    result = match(str(path), "--out", str(tmp_path / "made.yaml"))
    assert (result.exit_code, "no whole Mem-Info block" in result.stderr, result.stdout) == (2, True, "")
    assert not (tmp_path / "made.yaml").exists()


def test_a_scenario_that_cannot_be_a_file_is_an_error(log, tmp_path):
    result = match(str(log), "--out", str(tmp_path))
    assert (result.exit_code, "cannot be a file" in result.stderr) == (2, True)


@pytest.mark.parametrize("text", ["a letter\nof two lines\n", "\n\n\n", "{}", "title: a scenario\nstop: 1s\n"])
def test_text_that_is_no_log_is_not_this(tmp_path, text):
    path = tmp_path / "letter"
    path.write_text(text)
    told = json.loads(match(str(path), "--json").stdout)
    assert (told["grade"], told["reason"]) == (NOT_THIS, "nothing of a kernel is in it")


@pytest.mark.parametrize("seed", range(6))
def test_a_log_that_is_cut_and_shuffled_is_read_without_a_traceback(tmp_path, seed):
    """Any part of any wrapping, with bytes changed: a grade, whatever it is."""
    chance = random.Random(seed)
    path = tmp_path / "log"
    for wrap in logs.WRAPPINGS.values():
        data = bytearray(wrap(logs.ring()).encode())
        for _ in range(20):
            data[chance.randrange(len(data))] = chance.randrange(9, 127)
        first, last = sorted(chance.sample(range(len(data)), 2))
        path.write_bytes(data[first : last + 1])
        result = match(str(path), "--json")
        assert result.exit_code in (0, 2), result.stderr
        assert result.exit_code == 2 or json.loads(result.stdout)["grade"] in GRADES


# -- our own exports --------------------------------------------------------------------------------------------------

SMALL = """
title: three machines, small
seed: 1
stop: {stop}
kernel: linux-2.6.22
safeguards: {safeguards}
network: {{latency: 1ms, bandwidth: 1Gbit/s}}
machines:
  A:
    memory: 32MiB
    swap: {{server: C, transport: nfs, size: 128MiB}}
    programs:
      - rank: {{working_set: 40MiB, touch: 2MiB, compute: 5ms}}
      - service: {{protocol: udp, port: 9000, sockets: 64, pages: 64}}
  B:
    programs: [{{flood: {{to: "A:9000", rate: 20Mbit/s, payload: 1472B, from: 2s}}}}]
  C:
    programs: [{{swap-server: {{}}}}]
timeline: [{{at: 2s, partition: [C], for: 5s}}]
expect: []
"""


@cache
def exported(safeguards: str) -> Path:
    """What the kernels would show, before the outage and at the end, long after it."""
    original = kept(SMALL.format(stop="20s", safeguards=safeguards))
    out = new_folder()
    exports.to_proc(
        original, Asked(out, Window(0, original.end_ns), frozenset({0}), at_ns=(seconds(1), original.end_ns))
    )
    return out / "A"


def grade_of(folder: Path) -> str:
    return json.loads(match(str(folder / "sysrq-w"), "--json").stdout)["grade"]


def test_the_dump_of_a_machine_that_is_wedged_is_a_complete_ring():
    assert grade_of(exported("none") / "at-20s") == COMPLETE


def test_the_dump_of_the_same_machine_before_the_outage_is_not():
    assert grade_of(exported("none") / "at-1s") != COMPLETE


@pytest.mark.slow
def test_the_dump_of_a_machine_that_a_reserve_has_saved_is_not():
    """The twin: the same outage, with the reserve."""
    assert grade_of(exported("reserve") / "at-20s") != COMPLETE
