"""What is said before a run: what is hardly meant, what it will cost, and whether it should begin here at all."""

import sys
from collections.abc import Iterable
from typing import Final

from netswap.cluster.command.status import checked, wrong
from netswap.cluster.lab.runs import How
from netswap.cluster.scenario import Problem, Scenario, cost
from netswap.cluster.scenario.cost import Cost

WORTH_SAYING_S: Final = 60
WORTH_SAYING_BYTES: Final = 1 << 30


def may_begin(scenario: Scenario, how: How, anyway: bool, as_json: bool) -> None:
    """Return if the run may begin; else say why not, with exit status 2.

    `anyway`: whether it may take more than there is, of this computer's memory where that is what is used.
    """
    warn(scenario.warnings)
    resolved = scenario.resolved()
    will_cost = cost.estimate(resolved, hosts=how.hosts(resolved))
    problems = [] if anyway else cost.too_much(will_cost, None if how.address else cost.available_bytes())
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
