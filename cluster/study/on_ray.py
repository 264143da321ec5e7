"""Independent runs as tasks on a Ray cluster."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import ray

from netswap.cluster.engine.engine import InfrastructureError
from netswap.cluster.engine.on_ray import call, first_line
from netswap.cluster.study.failure import Failure
from netswap.cluster.study.pool import LOOK_S, Watch, nobody, safely

Job = TypeVar("Job")
Done = TypeVar("Done")


def tasks(
    work: Callable[[Job], Done], jobs: Sequence[Job], watch: Watch = nobody
) -> Iterator[tuple[int, Done | Failure]]:
    """`work` on each job as a task of its own, as they come; no more under way than keep the cluster busy.

    Needs a `session`. `watch` is called now and then. A task that fails is a `Failure`. Raises `InfrastructureError`.
    """
    remote = ray.remote(safely).options(max_retries=0, scheduling_strategy="SPREAD")
    at_once = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting = deque(enumerate(jobs))
    under_way: dict[Any, int] = {}
    while waiting or under_way:
        while waiting and len(under_way) < at_once:
            number, job = waiting.popleft()
            under_way[remote.remote(work, job)] = number
        try:
            done, _ = ray.wait(list(under_way), timeout=LOOK_S)
        except ray.exceptions.RayError as error:
            raise InfrastructureError(f"Ray failed: {type(error).__name__}: {first_line(error)}") from error
        watch()
        for reference in done:
            yield under_way.pop(reference), safely(call, reference)
