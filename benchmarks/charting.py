"""`python -m benchmarks.charting [--other PYTHON]`: a chart of 100,000 points by Altair with vl-convert, Plotly and Bokeh.

How large the page is that opens with the network off, what it takes to write and to draw it, and what it is on paper.

Plotly and Bokeh are no libraries of netswap: `--other` names an interpreter that has them, in an environment to be thrown away.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, sync_playwright

SCRIPT: Final = Path(__file__).with_name("peers") / "charting.py"
POINTS: Final = 100_000
CHARTS: Final = "svg .mark-line path, .scatterlayer path.js-line, canvas"
"""What each of them draws the line as; a canvas of Bokeh stands in shadow trees, which are searched too."""
WAIT_MS: Final = 120_000


def made(library: str, python: str, page: Path) -> dict[str, Any] | None:
    """Have the page made; None where the library is missing."""
    done = subprocess.run(
        [python, str(SCRIPT), library, str(page), str(POINTS)], capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        print(f"{library}: not measured, {python} says: {done.stderr.strip().splitlines()[-1]}")
        print("  python3 -m venv X && X/bin/pip install plotly bokeh, and then: --other X/bin/python")
        return None
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def drawn(browser: Browser, path: Path) -> dict[str, Any]:
    """Open a page with the network off, draw it, print it."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    metrics = page.context.new_cdp_session(page)
    metrics.send("Performance.enable")
    page.goto(path.as_uri(), timeout=WAIT_MS)
    page.wait_for_selector(CHARTS, state="attached", timeout=WAIT_MS)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    spent = {one["name"]: one["value"] for one in metrics.send("Performance.getMetrics")["metrics"]}
    paper = page.pdf(format="A4")
    page.close()
    return {
        "draw_s": spent["TaskDuration"],
        "heap_mb": spent["JSHeapUsedSize"] / 1e6,
        "requests": len([url for url in asked if not url.startswith(("file:", "data:", "blob:"))]),
        "pdf_mb": len(paper) / 1e6,
        "pixels": b"/Subtype /Image" in paper,
    }


def main() -> None:
    """A line for each library."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.charting", description=__doc__)
    parser.add_argument("--other", default=sys.executable, help="a Python that has plotly and bokeh")
    other = parser.parse_args().other
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for library, python in (("altair", sys.executable), ("plotly", other), ("bokeh", other)):
            page = Path(folder) / f"{library}.html"
            told = made(library, python, page)
            if told is None:
                continue
            seen = drawn(browser, page)
            print(
                f"{library} {told['version']}: page {page.stat().st_size / 1e6:.2f} MB, written in {told['cpu_s']:.1f} CPU s, "
                f"drawn in {seen['draw_s']:.1f} s of the browser's main thread, {seen['heap_mb']:.0f} MB of its heap, "
                f"{seen['requests']} requests; on paper {seen['pdf_mb']:.2f} MB, {'pixels' if seen['pixels'] else 'lines'}"
            )
        browser.close()


if __name__ == "__main__":
    main()
