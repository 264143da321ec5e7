"""`netswap kernels`: in what two kernels differ, rule by rule."""

import json
from dataclasses import fields, replace

import pytest
from typer.testing import CliRunner

from netswap.actors.kernels import KERNELS, LINUX_2_6_22, LINUX_6_1, LINUX_6_11, Kernel
from netswap.actors.kernels.oom import OomRules
from netswap.actors.kernels.tcp import TcpRules
from netswap.cluster.command.app import app
from netswap.cluster.kernels.rules import differences, texts


def run(*arguments):
    """The command."""
    return CliRunner().invoke(app, ["kernels", *arguments])


@pytest.mark.parametrize("rules", [Kernel, OomRules, TcpRules])
def test_every_rule_says_what_it_is(rules):
    said = texts(rules.__module__, rules.__name__)
    assert [one.name for one in fields(rules) if one.name != "name" and not said.get(one.name)] == []


def test_without_names_it_lists_them():
    result = run()
    assert result.exit_code == 0
    assert all(name in result.stdout for name in KERNELS)
    listed = json.loads(run("--json").stdout)["kernels"]
    assert [one["name"] for one in listed] == list(KERNELS)


def test_a_kernel_differs_in_nothing_from_itself():
    assert differences(LINUX_6_1, LINUX_6_1) == []
    assert run("linux-6.1", "linux-6.1").stdout == "0 rules differ\n"


def test_what_differs_is_told_with_both_values_and_its_text():
    """Each field that was replaced, and those of TCP and of the OOM killer under their own names."""
    changed = replace(
        LINUX_6_1,
        watermark_boost=0,
        tcp=replace(LINUX_6_1.tcp, retries=3),
        oom=replace(LINUX_6_1.oom, by_memory=False),
    )
    found = differences(LINUX_6_1, changed)
    assert [(one.name, one.values) for one in found] == [
        ("oom.by_memory", (True, False)),
        ("watermark_boost", (15_000, 0)),
        ("tcp.retries", (15, 3)),
    ]
    assert "watermark_boost_factor" in found[1].rule


@pytest.mark.parametrize(("one", "other"), [(LINUX_2_6_22, LINUX_6_11), (LINUX_6_1, LINUX_6_11)])
def test_the_command_tells_all_of_them(one, other):
    found = differences(one, other)
    assert found
    result = run(one.name, other.name)
    assert result.exit_code == 0
    assert f"{len(found)} rules differ" in result.stdout
    told = json.loads(run(one.name, other.name, "--json").stdout)
    assert [rule["name"] for rule in told["differences"]] == [rule.name for rule in found]
    assert all({"rule", one.name, other.name} < set(rule) for rule in told["differences"])


@pytest.mark.parametrize(
    ("arguments", "said"), [(["linux-6.1"], "differs from nothing"), (["linux-6.1", "linux-6"], "there is no kernel")]
)
def test_what_is_no_pair_of_kernels_is_an_error_of_the_input(arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
