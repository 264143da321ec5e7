"""`netswap minimum`: the smallest value with which an expectation is met."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from netswap.cluster.claims.formulas import held_fragments_2007
from netswap.cluster.command.app import app
from netswap.cluster.study import minimum
from netswap.cluster.study.minimum import Answer, Question, narrow, runs_at_most

QUESTION = Question("a.yaml", (), "reserve.pages", "A is recovered")
REPLY_FRAMES = 3
"""The largest reply is a page that is read: 4096 bytes and headers in three fragments."""


def run(*words):
    """The command with --json; its exit status and object."""
    done = CliRunner().invoke(app, ["minimum", "configs/claims/row-02.yaml", *words, "--json"])
    return done.exit_code, json.loads(done.stdout)


def searched(is_met, most, workers=2):
    """A search in which a value is enough if `is_met` says so."""
    answer = Answer(most)
    for bound in narrow(QUESTION, answer, lambda values: ((value, is_met(value)) for value in values), workers):
        assert len(answer.tried) <= bound
    return answer


def test_a_limit_of_one_read_reply_is_enough_for_recovery():
    """Row 8: without fragments or transmission in the way, the buffers of one reply are, and one fewer are not."""
    status, found = run(
        "--of", "reserve.buffers", "--until", "A is recovered", "--set", "reserve.pages=0", "--most", "16"
    )
    assert status == 0
    assert found["minimum"] == REPLY_FRAMES
    assert {"value": REPLY_FRAMES - 1, "met": False} in found["tried"]
    assert found["monotone"]


@pytest.mark.parametrize(
    ("scenario", "overrides", "buffers"),
    [
        pytest.param("row-15", (), held_fragments_2007(), id="fragments: those that overflow reassembly"),
        pytest.param("row-02", ("machines.A.swap.transport=nbd", "stop=80s"), 1, id="NBD: a segment at a time"),
    ],
)
def test_the_formula_is_the_smallest_limit_that_survives(scenario, overrides, buffers):
    """And one fewer is not enough."""
    question = Question(f"configs/claims/{scenario}.yaml", overrides, "reserve.buffers", "A is recovered")
    assert [minimum.is_met(question, value) for value in (buffers - 1, buffers)] == [False, True]


@given(threshold=st.integers(0, 5000), workers=st.integers(1, 7))
def test_the_search_ends_at_the_threshold_and_has_tried_both_sides_of_it(threshold, workers):
    """Whatever the number of runs at a time."""
    answer = searched(lambda value: value >= threshold, 5000, workers)
    assert answer.minimum == threshold
    assert answer.tried[threshold]
    assert threshold == 0 or not answer.tried[threshold - 1]
    assert answer.is_monotone


@given(threshold=st.integers(0, 400), most=st.integers(1, 300), workers=st.integers(1, 7))
def test_no_search_makes_more_runs_than_were_announced(threshold, most, workers):
    """And what is announced only falls while the search goes on."""
    answer, announced = Answer(most), [runs_at_most(QUESTION, Answer(most), workers)]
    announced += narrow(QUESTION, answer, lambda values: ((value, value >= threshold) for value in values), workers)
    assert announced == sorted(announced, reverse=True)
    assert announced[-1] == len(answer.tried)


def test_what_is_announced_is_what_the_worst_threshold_takes():
    """Bisection of 0 to 16 by one process: both ends, then 8, 4, 2, 1."""
    worst = max(len(searched(lambda value, least=least: value >= least, 16, 1).tried) for least in range(17))
    assert runs_at_most(QUESTION, Answer(16), 1) == worst == 2 + 4


def test_when_nothing_is_enough_there_is_no_minimum():
    """The largest value decides."""
    answer = searched(lambda value: False, 100)
    assert answer.minimum is None
    assert answer.tried == {0: False, 100: False}


def test_a_larger_value_that_is_not_enough_is_told():
    """What was tried says so; the search cannot know what it did not try."""
    answer = searched(lambda value: 10 <= value < 90, 80)
    assert answer.is_monotone
    assert not searched(lambda value: value in (0, 60), 60 + 30).is_monotone


def test_errors_are_told_in_the_words_of_the_command_line():
    """Not as the overrides that they become."""
    status, said = run("--of", "reserve.pagse", "--until", "A is recoverd")
    assert status == 2
    assert [(one["file"], one["hint"]) for one in said["errors"]] == [
        ("--of reserve.pagse", 'did you mean "pages"?'),
        ("--until", 'did you mean "recovered"?'),
    ]
