"""`vm`: sysctls of a machine's memory, by their own names, each for the kernels that have it."""

from dataclasses import fields

import pytest

from netswap.actors.kernels import KERNELS, LINUX_2_6_22, LINUX_6_1
from netswap.actors.machine.sysctls import with_sysctls, without_effect
from netswap.actors.settings import Vm
from netswap.cluster.lab import open_scenario
from netswap.cluster.scenario import ScenarioError, load, models

PAGES = (256 << 20) // 4096
MIN = 4096 // 4
TEXT = """
title: sysctls
stop: 1s
kernel: {kernel}
machines:
  A: {{memory: 256MiB, min_free: 4MiB, vm: {{{vm}}}, programs: [heartbeat: {{every: 10ms}}]}}
"""


def machine(kernel, vm):
    """A machine with these, and its parts."""
    cluster = open_scenario(load(TEXT.format(kernel=kernel, vm=vm)))
    return cluster, cluster.engine.machine(0)


def test_every_sysctl_that_can_be_written_sets_a_number_of_the_kernel():
    assert list(models.Vm.model_fields) == [one.name for one in fields(Vm)]
    for one in fields(Vm):
        changed = with_sysctls(LINUX_6_1, Vm(**{one.name: 7}))
        assert sum(getattr(changed, name.name) != getattr(LINUX_6_1, name.name) for name in fields(changed)) == 1


def test_without_any_the_kernel_is_as_it_was():
    assert with_sysctls(LINUX_6_1, Vm()) is LINUX_6_1


@pytest.mark.parametrize(("vm", "scale"), [("watermark_scale_factor: 100", 100), ("", 10)])
def test_the_scale_factor_is_the_distance_of_the_marks(vm, scale):
    """min/4 or scale/10,000 of the zone, whichever is more: low is min and one of it, high min and two."""
    cluster, made = machine("linux-6.1", vm)
    distance = max(MIN // 4, PAGES * scale // 10_000)
    with cluster:
        assert (made.zone.low_mark, made.zone.high_mark) == (MIN + distance, MIN + 2 * distance)


@pytest.mark.parametrize(
    ("vm", "factor"), [("watermark_boost_factor: 0", 0), ("watermark_boost_factor: 30000", 30_000)]
)
def test_the_boost_factor_is_how_far_the_marks_are_raised(vm, factor):
    """Its share of high, in 10,000ths, and a pageblock at least; none with 0."""
    cluster, made = machine("linux-6.1", vm)
    with cluster:
        high = made.zone.high_mark
        assert made.kernel.boost_max(PAGES, high) == (max(512, high * factor // 10_000) if factor else 0)


@pytest.mark.parametrize("kernel", ["linux-2.6.22", "linux-6.1"])
@pytest.mark.parametrize(("vm", "ratio"), [("dirty_ratio: 8, dirty_background_ratio: 2", 8), ("", None)])
def test_the_dirty_ratio_is_the_share_that_may_be_dirty(kernel, vm, ratio):
    """Percent of dirtyable memory; 2.6.22 never less than 5, 6.1 by default 20 and 2.6.22 10."""
    cluster, made = machine(kernel, vm)
    with cluster:
        background, dirty = made.writeback.limits()
        dirtyable = made.writeback.dirtyable()
        usual = {"linux-2.6.22": (5, 10), "linux-6.1": (10, 20)}[kernel]
        assert (background, dirty) == (
            (2 if ratio else usual[0]) * dirtyable // 100,
            (ratio or usual[1]) * dirtyable // 100,
        )


def test_swappiness_says_from_when_on_mapped_pages_go():
    """mapped/2 + distress + swappiness reach 100: at the first priority with 100, and never with 0 while little is mapped."""
    for vm, goes in (("swappiness: 100", True), ("swappiness: 0", False)):
        cluster, made = machine("linux-2.6.22", vm)
        with cluster:
            assert made.reclaim.scan.takes_mapped(12, 0) is goes


@pytest.mark.parametrize(
    ("kernel", "name", "why"),
    [
        ("linux-2.6.22", "watermark_boost_factor", "has no such sysctl"),
        ("linux-2.6.22", "watermark_scale_factor", "has no such sysctl"),
        ("linux-6.1", "swappiness", "not in the model"),
        ("linux-6.11", "swappiness", "not in the model"),
    ],
)
def test_what_a_kernel_does_not_have_cannot_be_set(kernel, name, why):
    with pytest.raises(ScenarioError) as error:
        load(TEXT.format(kernel=kernel, vm=f"{name}: 10"))
    (problem,) = error.value.problems
    assert problem.message.startswith(kernel)
    assert why in problem.message
    assert (problem.line, load(TEXT.format(kernel=kernel, vm=f"{name}: auto")).title) == (6, "sysctls")


def test_every_other_sysctl_is_one_of_every_kernel():
    refused = {
        "linux-2.6.22": {"watermark_boost_factor", "watermark_scale_factor"},
        "linux-6.1": {"swappiness"},
        "linux-6.11": {"swappiness"},
    }
    for name, kernel in KERNELS.items():
        assert {one.name for one in fields(Vm) if without_effect(kernel, one.name)} == refused[name]


@pytest.mark.parametrize(
    ("vm", "said"),
    [
        ("dirty_ratio: 101", "100"),
        ("watermark_scale_factor: 0", "1"),
        ("watermark_scale_factor: 3001", "3000"),
        ("dirty_expire_centisecs: 0", "1"),
        ("swapiness: 10", "swappiness"),
    ],
)
def test_a_value_out_of_its_range_is_an_error(vm, said):
    with pytest.raises(ScenarioError, match=said.replace(",", "")) as error:
        load(TEXT.format(kernel="linux-6.1", vm=vm))
    assert len(error.value.problems) == 1


def test_centiseconds_are_ten_milliseconds():
    changed = with_sysctls(LINUX_2_6_22, Vm(dirty_expire_centisecs=3000, dirty_writeback_centisecs=500))
    assert (changed.dirty_expire_ns, changed.flush_interval_ns) == (30_000_000_000, 5_000_000_000)
