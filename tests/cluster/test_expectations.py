"""Expectations: what can be claimed, and how it is judged."""

from dataclasses import dataclass, field

import pytest

from netswap.cluster.judge.expectations import (
    COUNTERS,
    VERDICTS,
    Expectation,
    ExpectationError,
    judge,
    judge_all,
    parse,
    seen_text,
)
from netswap.protocol.units import seconds


@dataclass
class View:
    """A machine as the cluster shows it."""

    verdict: str = "healthy"
    counters: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    recovered_after_ns: int | None = None


def test_a_verdict_can_be_claimed_and_denied() -> None:
    """`is` and `is not`."""
    assert parse("A is wedged") == Expectation("A is wedged", ("A",), "verdict", verdict="wedged")
    assert parse("A is not wedged").negated


def test_lost_data_can_be_claimed_in_plain_words() -> None:
    """As the verdict of that name, and its opposite."""
    assert parse("A lost data") == Expectation("A lost data", ("A",), "verdict", verdict="lost-data")
    assert judge(parse("A lost data"), View("lost-data")) == (True, "lost-data")
    assert judge(parse("A lost no data"), View("lost-data")) == (False, "lost-data")
    assert judge(parse("A lost no data"), View("wedged")) == (True, "wedged")


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_verdict_can_be_claimed(verdict: str) -> None:
    """Hyphens too."""
    assert parse(f"rank-7 is {verdict}").verdict == verdict


@pytest.mark.parametrize("counter", COUNTERS)
def test_every_counter_can_be_claimed(counter: str) -> None:
    """Causes of drops have dots and hyphens."""
    assert parse(f"A.{counter} >= 3").attribute == counter


@pytest.mark.parametrize("op", ["<", "<=", "==", "!=", ">=", ">"])
@pytest.mark.parametrize("seen", [2, 3, 4])
def test_operators_compare_as_in_python(op: str, seen: int) -> None:
    """What is seen stands to the left."""
    met, shown = judge(parse(f"A.pages_out{op}3"), View(counters={"pages_out": seen}))
    assert met is {"<": seen < 3, "<=": seen <= 3, "==": seen == 3, "!=": seen != 3, ">=": seen >= 3, ">": seen > 3}[op]
    assert shown == seen


def test_times_are_claimed_with_units() -> None:
    """Nanoseconds are for the machine, not for the person."""
    assert parse("A.recovered_after_ns <= 20s").value == seconds(20)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("A is weged", 'no verdict "weged"', '"wedged"'),
        ("A is", "no expectation", "NAME is [not] VERDICT"),
        ("wedged", "no expectation", "NAME.counter"),
        ("A.page_out > 3", 'no counter "page_out"', '"pages_out"'),
        ("A.dropped.demx > 3", 'no counter "dropped.demx"', '"dropped.demux"'),
        ("A.pages_out = 3", '"=" does not compare', "=="),
        ("A.pages_out > many", '"many" is no quantity', "whole number"),
        ("A.free_pages > 1MiB", "free_pages is a plain number", "without a unit"),
        ("A.stalled_ns > 1MiB", "stalled_ns is a time", "10s"),
    ],
)
def test_what_cannot_be_read_says_what_would_be_right(text: str, message: str, hint: str) -> None:
    """Messages and hints as for all mistakes in a scenario."""
    with pytest.raises(ExpectationError) as caught:
        parse(text)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_verdict_is_met_or_not() -> None:
    """What was seen is the verdict, either way."""
    assert judge(parse("A is wedged"), View("wedged")) == (True, "wedged")
    assert judge(parse("A is wedged"), View("healthy")) == (False, "healthy")
    assert judge(parse("A is not wedged"), View("wedged")) == (False, "wedged")
    assert judge(parse("A is not wedged"), View("slow")) == (True, "slow")


def test_an_attribute_of_the_view_counts_as_well() -> None:
    """Counters first, then the view itself."""
    assert judge(parse("A.recovered_after_ns < 2s"), View(recovered_after_ns=seconds(1))) == (True, seconds(1))


@pytest.mark.parametrize("op", ["<", "!=", "=="])
def test_no_comparison_with_what_never_was_is_met(op: str) -> None:
    """A machine that has not recovered has not recovered within any time."""
    assert judge(parse(f"A.recovered_after_ns {op} 2s"), View()) == (False, None)


def test_a_cause_that_never_occurred_counts_zero() -> None:
    """It need not be listed."""
    assert judge(parse("A.dropped.demux == 0"), View()) == (True, 0)
    assert judge(parse("A.dropped.demux == 0"), View(dropped={"demux": 2})) == (False, 2)


def test_a_claim_about_several_machines_is_about_each_of_them() -> None:
    """What was seen is then told by name."""
    claim = parse("A is healthy").about(["A0", "A1"])
    assert judge_all(claim, {"A0": View(), "A1": View("slow")}) == (False, {"A0": "healthy", "A1": "slow"})
    assert judge_all(claim, {"A0": View(), "A1": View()}) == (True, {"A0": "healthy", "A1": "healthy"})
    assert judge_all(parse("A is healthy"), {"A": View()}) == (True, "healthy")


@pytest.mark.parametrize(
    ("seen", "text"), [({"A": "wedged", "B": "healthy"}, "A wedged, B healthy"), ("slow", "slow"), (None, "None")]
)
def test_what_was_seen_is_told_in_words(seen: object, text: str) -> None:
    assert seen_text(seen) == text
