"""What the documents say exists, and what exists is in them."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML
from typer.main import get_command

from netswap.actors import counters, safeguards
from netswap.cluster.command.app import app
from netswap.cluster.judge import expectations
from netswap.cluster.judge.verdict import Verdict
from netswap.cluster.judge.views import MachineView
from netswap.cluster.lab import Cluster
from netswap.cluster.record import columns
from netswap.cluster.scenario import Scenario, load, models
from netswap.protocol import units

ROOT = Path(__file__).parents[1]
REFERENCE = (ROOT / "docs" / "scenarios.md").read_text()
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

MODELS = {
    "Top level": models.ScenarioWords,
    "record": models.Record,
    "reserve": models.Reserve,
    "Network": models.Network,
    "port": models.SwitchPort,
    "links": models.Link,
    "Machines": models.Machine,
    "nic": models.Nic,
    "files": models.Files,
    "disk": models.Disk,
    "tcp": models.Tcp,
    "udp": models.Udp,
    "ipfrag": models.Ipfrag,
    "swap": models.Swap,
    "layer": models.Layer,
    "rank": models.Rank,
    "service": models.Service,
    "flood": models.Flood,
    "swap-server": models.SwapServer,
    "proxy": models.Proxy,
    "nbd-client": models.NbdClient,
    "heartbeat": models.Heartbeat,
    "reader": models.Reader,
    "writer": models.Writer,
    "Timeline": models.Fault,
}


def rows(heading: str, first: str = "key") -> list[list[str]]:
    """The cells of the table under a heading whose first column is called so."""
    section = re.split(r"^#+ ", REFERENCE.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.M)[0]
    table = re.split(rf"^\| {first}(?!\w).*\n\|[- |]*\n", section, flags=re.M)[1]
    lines = table[: re.search(r"^(?!\|)", table, flags=re.M).start()].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def names(heading: str, first: str = "key") -> list[str]:
    """The words of that first column."""
    return [row[0].strip("`") for row in rows(heading, first)]


def default(model: type[BaseModel], key: str) -> str | None:
    """A key's default as a scenario would write it; None if it is said in words."""
    field = next(field for name, field in model.model_fields.items() if models.key_of(model, name) == key)
    if field.is_required():
        return "required"
    if field.default is None:
        return None
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


@pytest.mark.parametrize("heading", MODELS)
def test_every_key_of_a_scenario_is_in_the_reference_with_its_default(heading):
    model = MODELS[heading]
    written = {row[0].strip("`"): row[1].strip("`") for row in rows(heading)}
    assert list(written) == [models.key_of(model, name) for name in model.model_fields]
    for key, said in written.items():
        holds = default(model, key)
        assert holds is None or said in (holds, "the network's"), key


def test_every_program_has_its_section():
    assert set(models.PROGRAMS) == MODELS.keys() & set(models.PROGRAMS)


@pytest.mark.parametrize(
    ("heading", "first", "known"),
    [
        ("Safeguards", "preset", safeguards.PRESETS),
        ("Safeguards", "switch", safeguards.SWITCHES),
        ("Verdicts", "verdict", [str(verdict) for verdict in Verdict]),
        ("Counters", "counter", counters.COUNTERS),
        ("Counters", "attribute", expectations.JUDGED),
        ("Causes", "cause", counters.CAUSES),
        *(("What is recorded", f"column of `{name}`", table) for name, table in columns.TABLES.items()),
        ("What is recorded", "state", columns.STATES),
        ("What is recorded", "what", columns.WHATS),
    ],
)
def test_every_word_is_in_the_reference(heading, first, known):
    assert names(heading, first) == list(known)


@pytest.mark.parametrize(("verb", "first"), [("run", "option"), ("export", "flag")])
def test_every_option_is_in_the_reference(verb, first):
    options = [name for one in get_command(app).commands[verb].params for name in one.opts if name.startswith("--")]
    assert sorted(names("Command line", first)) == sorted(set(options) - {"--help"})


@pytest.mark.parametrize(("first", "shown"), [("of a cluster", Cluster), ("of a view", MachineView)])
def test_every_verb_of_the_laboratory_is_in_the_reference(first, shown):
    said = {name for row in rows("The laboratory", first) for name in re.findall(r"`(\w+)(?:\(.*?\))?`", row[0])}
    assert {name for name in vars(shown) if not name.startswith("_")} <= said


def test_the_presets_are_made_of_these_switches():
    for row in rows("Safeguards", "preset"):
        said = set(re.findall("`([^`]*)`", "".join(row[1:])))
        assert said == safeguards.PRESETS[row[0].strip("`")].switches


def test_the_units_are_these():
    said = [re.findall("`([^`]*)`", row[1]) for row in rows("Values", "kind")]
    known = [units.TIME_UNITS, units.SIZE_UNITS, units.RATE_UNITS, {}, units.SHARE_UNITS]
    assert said == [list(one) for one in known]


def test_the_scenario_that_the_readme_explains_loads():
    scenario = load(ROOT / "configs" / "three-machines.yaml")
    for line in re.findall(r"^\| `([^`]*)` \| ", README.split("## The first scenario")[1], flags=re.M)[:4]:
        assert line in scenario.source_text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_a_page_lead_to_a_heading(page):
    text = page.read_text()
    headings = {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.*)$", text, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


def test_the_newest_section_of_the_changelog_is_this_version():
    """With the date of the citation; above it stands what is not released."""
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    sections = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)
    assert sections[:2] == ["[Unreleased]", f"[{citation['version']}] - {citation['date-released']}"]


def test_the_citation_names_this_version():
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {key: citation[key] for key in ("title", "version", "license")} == {
        "title": project["name"],
        "version": project["version"],
        "license": project["license"],
    }


def limits(key, schema):
    """(key, its limit as the reference writes it) of a number, a quantity, or a list of numbers."""
    if "minimum" in schema:
        yield key, f"{schema['minimum']:,} to {schema['maximum']:,}"
    elif isinstance(schema.get("pattern"), str):
        yield key, schema["description"].split(", ")[-1]
    yield from limits(key, schema["items"]) if schema.get("type") == "array" else ()
    for one in schema.get("anyOf", []):
        yield from limits(key, one)


def test_every_limit_is_in_the_reference():
    schema = Scenario.schema()
    known = {}
    for model in (schema, *schema["$defs"].values()):
        for key, one in model.get("properties", {}).items():
            for name, limit in limits(key, one):
                known.setdefault(limit, set()).add(name)
    assert {row[0]: set(re.findall("`([^`]*)`", row[1])) for row in rows("Limits", "limit")} == known
