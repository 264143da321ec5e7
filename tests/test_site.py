"""The documents as a site: it builds without a warning, and every link in it leads somewhere."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("site")  # it is built once
ROOT = Path(__file__).parents[1]
BUILT = ROOT / ".venv" / ".installed"
PAGES = ("index", "CONTRIBUTING", "CHANGELOG", "examples/index")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make docs` makes; it ends with an error where there is a warning."""
    if not (BUILT.exists() and shutil.which("make")):
        pytest.skip("`make docs` needs make and .venv")
    made = tmp_path_factory.mktemp("docs")
    done = subprocess.run(["make", "docs", f"SITE={made}"], cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout + done.stderr
    return made / "site"


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """(file, heading) of each link of a page that does not leave the site."""
    for link in re.findall(r'(?:href|src)="([^"]+)"', page.read_text()):
        path, _, heading = unescape(link).partition("#")
        if not re.match(r"\w+:", path):
            yield page.parent / path if path else page, heading


def test_every_page_is_in_the_site(site: Path) -> None:
    """The README is where it begins."""
    pages = [*PAGES, *(f"docs/{page.stem}" for page in (ROOT / "docs").glob("*.md"))]
    assert [page for page in pages if not (site / f"{page}.html").exists()] == []


def test_every_link_of_the_site_leads_to_a_file_and_a_heading_of_it(site: Path) -> None:
    """The sources that a page names are there too."""
    for page in site.rglob("*.html"):
        for target, heading in links(page) if page.name != "404.html" else ():
            assert target.exists(), f"{page}: {target}"
            if heading and target.suffix == ".html":
                assert f'id="{heading}"' in target.read_text(), f"{page}: {target}#{heading}"


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    """No font, script or style sheet has an address of its own."""
    for page in site.rglob("*.html"):
        assert re.findall(r'<(?:script|img|link)\b[^>]*(?:src|href)="(?:https?:)?//[^"]*"', page.read_text()) == []
