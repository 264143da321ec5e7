"""The jobs of many ranks: `configs/mpi-64.yaml` in small form, and as they stand where there is time."""

from pathlib import Path

import pytest

from netswap.cluster.lab import open_cluster
from netswap.cluster.scenario import load
from netswap.cluster.study.experiment import load_experiment

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = {"machines.A.count": 8}
BLOCKED = ["A7 is wedged", "A0 is not recovered", "A3 is blocked", "A.lost_pages == 0"]


@pytest.mark.parametrize(
    ("safeguards", "expect"), [("none", BLOCKED), ("reserve", ["A is recovered", "A.lost_pages == 0"])]
)
def test_one_flooded_rank_stops_all_unless_there_is_a_reserve(safeguards, expect):
    """8 ranks: the wedge travels one neighbour a step, so after a few steps no rank gets on."""
    with open_cluster(CONFIGS / "mpi-64.yaml", safeguards=safeguards, expect=expect, set=SMALL) as cluster:
        cluster.run().check()


@pytest.mark.parametrize(("name", "ranks"), [("mpi-64", 64), ("mpi-1000", 1000)])
def test_so_many_ranks_exchange_in_one_job_and_swap_to_several_servers(name, ranks):
    """As the names of the files say."""
    machines = load(CONFIGS / f"{name}.yaml").resolved().machines
    settings = [one.programs[0][1] for one in machines if one.programs[0][0] == "rank"]
    assert [one["place"] for one in settings] == list(range(ranks))
    assert {one["ranks"] for one in settings} == {ranks}
    assert all(len(one.swap.spread.servers) > 1 for one in machines if one.swap)


def test_the_experiment_asks_for_the_cost_in_memory_and_in_time():
    """Its first run is the one that the others are compared with: no outage to speak of, and no policy."""
    experiment = load_experiment(CONFIGS / "experiments" / "mpi-cost.yaml")
    assert {"A.cost_gib", "A.slow_down"} <= set(experiment.show)
    assert experiment.runs[0].varied == {"timeline.0.for": "1us", "safeguards": "none"}


@pytest.mark.slow
@pytest.mark.parametrize("safeguards", ["none", "reserve"])
@pytest.mark.parametrize("name", ["mpi-64", "mpi-1000"])
def test_the_files_say_what_happens(name, safeguards):
    """Their own expectations, at full size."""
    with open_cluster(CONFIGS / f"{name}.yaml", safeguards=safeguards) as cluster:
        cluster.run().check()
