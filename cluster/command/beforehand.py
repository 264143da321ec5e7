"""What is said before a run: what is hardly meant, what it will cost, and whether it should begin here at all."""

import sys
from collections.abc import Iterable
from typing import Final

from netswap.cluster.command.status import checked, wrong
from netswap.cluster.scenario import Problem, Scenario, cost
from netswap.cluster.scenario.cost import Cost

WORTH_SAYING_S: Final = 60
WORTH_SAYING_BYTES: Final = 1 << 30


def may_begin(scenario: Scenario, machines_per_actor: int | None, here: bool, anyway: bool, as_json: bool) -> None:
    """Return if the run may begin; else say why not, with exit status 2.

    `machines_per_actor`: None in process; `here`: whether this computer's memory is what is used; `anyway`: whether it
    may take more than there is.
    """
    warn(scenario.warnings)
    will_cost = cost.estimate(scenario.resolved(), machines_per_actor=machines_per_actor)
    problems = [] if anyway else cost.too_much(will_cost, cost.available_bytes() if here else None)
    if problems:
        raise wrong([Problem(str(scenario.path), 1, 1, message, hint) for message, hint in problems], as_json)
    if _is_worth_saying(will_cost):
        print(f"this takes {will_cost}", file=sys.stderr)
    checked(scenario.check_whole, as_json)


def warn(warnings: Iterable[Problem]) -> None:
    """One line each, on standard error."""
    for one in warnings:
        print(f"{one.file}:{one.line}:{one.column}: warning: {one.message}; {one.hint}", file=sys.stderr)


def _is_worth_saying(will_cost: Cost) -> bool:
    return will_cost.likely_s > WORTH_SAYING_S or will_cost.memory_bytes > WORTH_SAYING_BYTES
