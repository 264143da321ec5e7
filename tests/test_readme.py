"""What a page shows of a command is what the command prints, and a command that no test runs says why."""

import re
from pathlib import Path

import pytest
from sessions import ROOT, Session, checkout, session, sessions

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
README = PAGES[0].read_text()
SHOWN = [one for page in PAGES for one in sessions(page.read_text())]
STORED = {one.command: one for one in (session(path.read_text()) for path in (ROOT / "examples").glob("*/session.txt"))}
"""Sessions of examples, which tests/test_examples.py runs."""
RUN = [one for one in SHOWN if one.command not in STORED]
COMMAND = re.compile(r"^    (?:\$ )?(?:\w+=\S+ )?(?:\.venv/bin/|make |netswap |python )", flags=re.M)
NOT_RUN = re.compile(r"<!-- not run: \S.* -->")
SLOW = pytest.mark.slow, pytest.mark.timeout(1800)
QUICK = "check"
SLIPS = """\
title: slips
stop: 60
machines:
  A: {memory: 64MiB, swop: {}}
timeline:
  - {at: 5s, partition: [E], for: 10s}
"""


def marked(one: Session) -> object:
    """A session with its marks."""
    slow = () if QUICK in one.command.split() else SLOW
    ray = (pytest.mark.ray,) if one.command == "make demo" else ()
    return pytest.param(one, marks=(*slow, *ray), id=one.command)


def blocks(text: str) -> list[tuple[str, str]]:
    """(the paragraph before it, a block) of each indented block and each fenced one of a page, lists aside."""
    parts = re.split(r"\n{2,}(?=\S|    \S)", re.sub(r"^```\w*\n(.*?)^```", indented, text, flags=re.M | re.S))
    return [(before, part) for before, part in zip(["", *parts], parts, strict=False) if part.startswith("    ")]


def indented(fence: re.Match[str]) -> str:
    """A fenced block as the other kind."""
    return "".join(f"    {line}\n" if line else "\n" for line in fence[1].splitlines())


@pytest.mark.parametrize("shown", [marked(one) for one in RUN])
def test_a_command_prints_what_the_page_shows(shown: Session, tmp_path: Path) -> None:
    """In a wide terminal, and line for line but for what the dots leave out."""
    folder = checkout(tmp_path)
    (folder / "slips.yaml").write_text(SLIPS)
    printed = shown.run(folder)
    assert shown.matches(printed), printed


@pytest.mark.parametrize("shown", [one for one in SHOWN if one.command in STORED], ids=lambda one: one.command)
def test_what_a_page_shows_of_an_example_is_what_is_stored_beside_it(shown: Session) -> None:
    """The agent of the README reports ten times a second until A stops, at 5 s: 51 reports, the first of them at time 0."""
    assert shown.matches("\n".join(STORED[shown.command].shown))


def test_no_session_is_left_out() -> None:
    """Each `$` begins a command, and shows what it prints."""
    assert len(SHOWN) == sum(page.read_text().count("    $ ") for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_that_is_not_run_says_why(page: Path) -> None:
    """A block of commands is a session, which tests run, or a comment before it says why it is none."""
    for before, block in blocks(page.read_text()):
        if COMMAND.search(block) and not block.startswith("    $ "):
            assert NOT_RUN.fullmatch(before.strip()), block


@pytest.mark.parametrize("language", ["python", "yaml"])
def test_what_the_readme_shows_of_a_file_stands_in_an_example(language: str) -> None:
    """Line for line: so it has been run."""
    files = [path.read_text() for path in (ROOT / "examples").rglob("*") if path.suffix in (".py", ".yaml")]
    shown = re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.M | re.S)
    assert shown
    assert [block for block in shown if not any(block in text for text in files)] == []


def test_a_block_without_its_comment_is_seen() -> None:
    """Indented or fenced, with a variable before it or without."""
    for block in ("    make soak\n", "```sh\nA=1 .venv/bin/netswap run x.yaml\n```\n"):
        [(before, shown)] = blocks(f"Some text.\n\n{block}\nMore.\n")
        assert (before, bool(COMMAND.search(shown))) == ("Some text.", True)
