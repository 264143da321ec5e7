"""The checklist: what is predicted is seen, and a claim that fails, or cannot be shown, says so."""

import json

import pytest
from typer.testing import CliRunner

from netswap.actors.kernels import KERNELS
from netswap.cluster.claims import prove
from netswap.cluster.claims.ablation import ABLATIONS, ablate
from netswap.cluster.claims.claim import CLAIMS, ERA_2_6_22, ERA_6_1, ERA_6_11, Claim, Evidence
from netswap.cluster.command.app import app
from netswap.cluster.command.status import NETSWAP_FAILED

FIELDS = {"row", "claim", "predicted", "seen", "holds", "source", "era"}


def _shown_between(claim):
    """Whether the row is shown under the kernel after its own too: `make soak` shows it under the one between."""
    return claim.era == ERA_6_1 and (claim.row, ERA_6_11) in CLAIMS


@pytest.mark.parametrize(
    "claim",
    [pytest.param(one, marks=[pytest.mark.slow] * _shown_between(one)) for one in prove.choose()],
    ids=lambda claim: f"{claim.row}-{claim.era}",
)
def test_what_is_predicted_is_seen(claim):
    """Each row of the checklist."""
    one = prove.show((claim.row, claim.era))
    assert one.holds, f"predicted {one.predicted}, seen {one.seen}"
    assert one.seen, "a claim shows something"
    json.dumps(one)


def planted(monkeypatch, show):
    """A row 1000 that is shown like this."""
    monkeypatch.setitem(CLAIMS, (1000, ERA_2_6_22), Claim(1000, ERA_2_6_22, "planted", "a test", show))


def run(*words):
    """The command, and its one JSON object."""
    done = CliRunner().invoke(app, ["claims", *words, "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_a_claim_that_does_not_hold_is_an_exit_status_of_1(monkeypatch):
    """What was predicted and seen stands in the JSON."""
    planted(monkeypatch, lambda kernel: Evidence().equal("pages", 1, 2))
    status, said = run("--only", "1000")
    assert status == 1
    assert (said["hold"], said["fail"]) == (0, 1)
    assert set(said["claims"][0]) == FIELDS
    assert said["claims"][0]["predicted"] == {"pages": 1}
    assert said["claims"][0]["seen"] == {"pages": 2}


def test_a_claim_that_cannot_be_shown_says_why_and_does_not_hold(monkeypatch):
    """Whatever its scenario died of."""

    def fails(kernel):
        raise RuntimeError("no such scenario")

    planted(monkeypatch, fails)
    status, said = run("--only", "1000")
    assert status == NETSWAP_FAILED, "a failure is no claim that does not hold"
    assert said["claims"][0]["seen"] == {"could not be shown": "RuntimeError: no such scenario"}


def test_rows_and_eras_can_be_chosen():
    """A row of arithmetic, under the rules of 2007."""
    status, said = run("--only", "33", "--era", ERA_2_6_22)
    assert status == 0
    assert [(one["row"], one["era"], one["holds"]) for one in said["claims"]] == [(33, ERA_2_6_22, True)]


def test_an_unknown_row_is_an_error_that_says_which_there_are():
    """Exit status 2, as for any input that is wrong."""
    status, said = run("--only", "99999")
    assert status == 2
    assert "known are 1, 2" in said["errors"][0]["hint"]


def test_every_kernel_can_be_named_and_an_unknown_one_is_an_error_that_says_which_is_near():
    """The list is that of the kernels that there are; row 21 is arithmetic under each."""
    for kernel in KERNELS:
        assert run("--only", "21", "--era", kernel)[0] == 0
    status, said = run("--era", "linux-6.111")
    assert status == 2
    assert "linux-6.11" in said["errors"][0]["hint"]


@pytest.mark.parametrize("ablation", range(len(ABLATIONS)), ids=lambda index: ABLATIONS[index].switch)
def test_without_a_part_of_the_reserve_the_failure_it_guards_against_appears(ablation):
    """And with it, it does not."""
    one = ablate(ablation)
    assert one.holds, one
