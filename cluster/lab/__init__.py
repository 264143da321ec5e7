"""A cluster in one's hands, and a scenario run to its end."""

from netswap.cluster.lab.cluster import Cluster, Undo, open_cluster, open_scenario

__all__ = ["Cluster", "Undo", "open_cluster", "open_scenario"]
