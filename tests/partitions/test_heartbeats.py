"""What a heartbeat does at a beat: pages of its own, drawn at random, and memory that it maps and unmaps."""

import pytest

from netswap.protocol.units import milliseconds

TEXT = """
title: heartbeats
stop: 10s
kernel: linux-6.1
machines:
  A: {{memory: 64MiB, programs: [heartbeat: {{every: 10ms, pages: 100{more}}}]}}
"""


def one(netswap, more):
    """The machine after a hundred beats, and its heartbeat's memory."""
    cluster = netswap(TEXT.format(more=more))
    free = cluster["A"].free_pages
    cluster.run_for(milliseconds(995))
    return cluster, free, cluster.engine.machine(0).programs[0].space


@pytest.mark.parametrize("more", ["", ", touch: 5", ", maps: 64KiB", ", touch: 5, maps: 64KiB"])
def test_a_beat_counts_one_whatever_it_touches(netswap, more):
    cluster, _, _ = one(netswap, more)
    assert cluster["A"].programs["heartbeat 0"]["progress"] == 100


def test_what_is_mapped_is_free_again_after_the_beat(netswap):
    """16 pages come and go; its own hundred stay. Before the first beat all of them are there."""
    cluster, free, space = one(netswap, ", maps: 64KiB")
    assert (space.pages, space.resident) == (116, 100)
    assert cluster["A"].free_pages == free + 16
    assert cluster["A"].lost_pages == 0


def test_each_beat_needs_free_pages_for_what_it_maps_and_none_without(netswap):
    """With nothing above min that can be had, one that maps stops and one that does not goes on."""
    beats = []
    for more in (", maps: 64KiB", ""):
        cluster, _, _ = one(netswap, more)
        zone = cluster.engine.machine(0).zone
        zone.take_many(zone.floors.kernel, zone.free)
        cluster.run_for(milliseconds(500))
        beats.append(cluster["A"].programs["heartbeat 0"]["progress"])
    assert beats == [100, 150]


@pytest.mark.parametrize(("unkillable", "kills"), [("true", 0), ("false", 1)])
def test_what_is_unkillable_the_oom_killer_never_chooses(netswap, unkillable, kills):
    """64 MiB of memory, none of it to be had, and no swap: with nobody to kill the machine goes on as it is."""
    cluster, _, _ = one(netswap, f", maps: 64KiB, unkillable: {unkillable}")
    zone = cluster.engine.machine(0).zone
    zone.take_many(zone.floors.kernel, zone.free)
    cluster.run()
    assert cluster["A"].oom_kills == kills
