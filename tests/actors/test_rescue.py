"""Reclaim within an allocation that would fail: at whose floor, of which pages, and never more than clean ones."""

import pytest

from netswap.actors.events import Events
from netswap.actors.kernels import LINUX_2_6_22 as KERNEL
from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.memory.board import Board
from netswap.actors.memory.files import File
from netswap.actors.memory.rescue import CleanRescue
from netswap.actors.memory.scan import Scan
from netswap.actors.memory.zone import Zone

CLUSTER = 32
MIN = 64


class Scene:
    """A zone at its atomic floor, with a file of clean pages and some dirty ones, and anonymous memory beside it."""

    def __init__(self, *, recursive: bool = False, atomic: bool = False, clean: int = 100) -> None:
        self.zone = Zone(4096, MIN)
        self.zone.free = self.zone.floors.atomic
        self.scan = Scan(Board(Events(), self.zone, KERNEL), None)
        self.file = File("text", clean + 50, mapped=True)
        self.file.cache(clean)
        self.dirty = File("log", 50)
        self.dirty.cache(50, dirty=True)
        self.anonymous = AddressSpace("rank 0", 0, 100)
        self.anonymous.warm(100, 1)
        self.scan.hand.spaces = [self.anonymous]
        cache = self.scan.cache
        cache.text.spaces, cache.unmapped.spaces, cache.files = [self.file], [self.dirty], [self.file, self.dirty]
        self.zone.on_shortage(CleanRescue(self.zone, self.scan, CLUSTER, recursive=recursive, atomic=atomic))


def test_atomic_reclaim_frees_a_cluster_of_clean_pages_at_the_atomic_floor() -> None:
    """One of them is taken, and the others are there for the next requests."""
    scene = Scene(atomic=True)
    floor = scene.zone.floors.atomic
    assert scene.zone.take(floor)
    assert scene.zone.free == floor + CLUSTER - 1
    assert (scene.file.resident, scene.dirty.resident, scene.anonymous.resident) == (100 - CLUSTER, 50, 100)


def test_without_it_reception_is_refused_there() -> None:
    """The twin; recursive reclaim is for reclaimers alone."""
    for scene in (Scene(), Scene(recursive=True)):
        assert not scene.zone.take(scene.zone.floors.atomic)
        assert scene.file.resident == 100


@pytest.mark.parametrize(("recursive", "had"), [(True, True), (False, False)])
def test_recursive_reclaim_is_for_who_finds_no_page_at_all(recursive: bool, had: bool) -> None:
    """PF_MEMALLOC, at no free page."""
    scene = Scene(recursive=recursive)
    scene.zone.free = 0
    assert scene.zone.take(scene.zone.floors.memalloc) == had


def test_every_clean_page_can_be_had_and_then_no_more() -> None:
    """Clean pages delay what happens without them; dirty and anonymous ones stay where they are."""
    scene = Scene(atomic=True, clean=100)
    taken = 0
    while scene.zone.take(scene.zone.floors.atomic):
        taken += 1
    assert taken == 100
    assert (scene.file.resident, scene.dirty.resident, scene.anonymous.resident) == (0, 50, 100)


def test_user_space_is_not_helped() -> None:
    """It reclaims for itself."""
    scene = Scene(recursive=True, atomic=True)
    assert not scene.zone.take(scene.zone.floors.kernel)
    assert scene.file.resident == 100
