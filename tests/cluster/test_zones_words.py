"""`zones` of a scenario: what may be written, what `netswap check` says of it, and a machine of one named zone."""

import pytest
from typer.testing import CliRunner

from netswap.cluster.command.app import app
from netswap.cluster.lab import open_scenario
from netswap.cluster.scenario import ScenarioError, load
from netswap.protocol.units import milliseconds

SCENARIO = """
title: zones
kernel: {kernel}
stop: 1s
machines:
  A:
    memory: {memory}
    zones: {zones}
    swap: {{server: C, size: 128MiB}}
    programs: [{{rank: {{working_set: 48MiB, touch: 1MiB, compute: 1ms}}}}]
  C:
    programs: [{{swap-server: {{}}}}]
"""


def text(zones: str, memory: str = "32MiB", kernel: str = "linux-2.6.22") -> str:
    """The scenario with these zones."""
    return SCENARIO.format(zones=zones, memory=memory, kernel=kernel)


@pytest.mark.parametrize(
    ("zones", "message"),
    [
        ("{DMA: 15MiB, DMA32: 16MiB}", "the zones of A hold 31744KiB of its memory"),
        ("{DMA32: {size: 32MiB, at_boot: 33MiB}}", "DMA32 has fewer pages than at boot"),
        ("{}", "there is no zone"),
        ("{DMA9: 32MiB}", 'unknown key "DMA9"'),
        ("{DMA: x}", '"x" is not a size'),
        ("none", 'zones must be a mapping, not "none"'),
    ],
)
def test_what_is_wrong_with_zones_is_said_at_its_place(zones: str, message: str) -> None:
    """Line 8 of the scenario is that of the zones."""
    with pytest.raises(ScenarioError) as error:
        load(text(zones))
    assert any(message in one.message and one.line == 8 for one in error.value.problems), error.value.problems


def test_check_prints_the_marks_of_each_zone(tmp_path) -> None:
    """The guest's: min_free_kbytes of 18,024 pages at boot is 1074, so 57 and 210 pages; three eighths of these, and 55 kept."""
    path = tmp_path / "guest.yaml"
    path.write_text(text("{DMA: 15MiB, DMA32: {size: 65MiB, at_boot: 56736KiB}}", "80MiB", "linux-6.1"))
    printed = CliRunner().invoke(app, ["check", str(path)]).output
    assert "A: DMA32 has 16640 pages: min 210, low 262, high 314, lowmem_reserve 0, atomic floor 79" in printed
    assert "A: DMA has 3840 pages: min 57, low 71, high 85, lowmem_reserve 55, atomic floor 77" in printed


def test_a_min_free_that_is_written_is_divided_by_what_there_is_now(tmp_path) -> None:
    """4096 KiB are 1024 pages: 192 for 3840 of 20,480 pages, 832 for the others, whatever there was at boot."""
    path = tmp_path / "guest.yaml"
    zones = "{DMA: 15MiB, DMA32: {size: 65MiB, at_boot: 56736KiB}}\n    min_free: 4MiB"
    path.write_text(text(zones, "80MiB", "linux-6.1"))
    printed = CliRunner().invoke(app, ["check", str(path)]).output
    assert "DMA32 has 16640 pages: min 832," in printed
    assert "DMA has 3840 pages: min 192," in printed


def digest_of(zones: str) -> str:
    """What the machines have sent in half a second."""
    with open_scenario(load(text(zones))) as cluster:
        cluster.run_to(milliseconds(500))
        return cluster.digest()


def test_a_machine_of_one_named_zone_is_a_machine_of_one_zone() -> None:
    """The same bytes; of two zones they are others."""
    one = digest_of("one")
    assert digest_of("{Normal: 32MiB}") == one
    assert digest_of("{DMA: 15MiB, DMA32: 17MiB}") != one
