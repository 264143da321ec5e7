"""As in a notebook: open a scenario, step through an outage, and look at the machines on the way."""

from pathlib import Path

from netswap import Cluster, open_cluster, seconds

PAIR = Path(__file__).parents[1] / "partition_test" / "pair.yaml"


def look(cluster: Cluster) -> None:
    """Print a line about A."""
    a = cluster["A"]
    print(
        f"{cluster.now_ns / 1e9:4.0f} s  {a.verdict!s:10}  {a.free_pages:4} pages free  {a.socket_frames:4} frames in sockets"
    )


for safeguards in ("none", "reserve"):
    print(f"safeguards: {safeguards}")
    with open_cluster(PAIR, safeguards=safeguards) as cluster:
        look(cluster.run_for(seconds(1)))
        with cluster.partition({"C"}):
            look(cluster.run_for(seconds(5)))
        look(cluster.run_for(seconds(14)))
        if cluster["A"].verdict == "wedged":
            for name, waiting in cluster.waits().nodes(data=True):
                if name.startswith("A/"):
                    print(f"        {waiting['sentence']}")
