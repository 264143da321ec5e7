"""The script that draws charts in a browser: bundled once with all that it needs, then kept for the next page."""

import os
import tempfile
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

_FOLDER = "netswap"


def script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that asks for nothing more."""
    path = _cache() / f"vega-{version('vl-convert-python')}.js"
    with suppress(OSError):
        kept = path.read_text(encoding="utf-8")
        if kept:
            return kept
    made: str = import_module("vl_convert").javascript_bundle()
    made = made.replace("</script", "<\\/script")
    with suppress(OSError):  # without a cache each page takes some seconds longer
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as part:
            part.write(made)
        Path(part.name).replace(path)
    return made


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / _FOLDER
