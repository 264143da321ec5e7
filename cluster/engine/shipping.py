"""What a node of a cluster that netswap did not start is sent: netswap's sources and the modules of the user's own programs."""

import shutil
import sys
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import netswap
from netswap.cluster.scenario.resolved import Resolved

_LEFT_BEHIND = shutil.ignore_patterns("__pycache__", ".*", "*.so", "*.pyc", "*.pyd")


def own_modules(resolved: Resolved) -> set[str]:
    """The top-level modules of programs that are the user's own."""
    kinds = {kind for machine in resolved.machines for kind, _ in machine.programs if ":" in kind}
    return {kind.partition(":")[0].partition(".")[0] for kind in kinds} - {"netswap"}


def stage(folder: Path, modules: Iterable[str]) -> None:
    """Copy the package netswap and these top-level modules into a folder. Of packages of the user's only Python files.

    Compiled modules stay behind: they fit this computer. Raises OSError.
    """
    shutil.copytree(_root(), folder / "netswap", ignore=_LEFT_BEHIND)
    for name in sorted(modules):
        spec = find_spec(name)
        if spec is None:
            continue
        for place in spec.submodule_search_locations or ():
            _python_files(Path(place), folder / name)
        if spec.submodule_search_locations is None and spec.origin is not None and Path(spec.origin).is_file():
            shutil.copy(spec.origin, folder)


def _python_files(package: Path, to: Path) -> None:
    for source in package.rglob("*.py"):
        place = source.relative_to(package)
        if not any(part.startswith(".") for part in place.parts):
            (to / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, to / place)


def _root() -> Path:
    return Path(netswap.__file__).parent


@cache
def sources_digest() -> str:
    """SHA-256 (hex) of the sources that this process runs, the same wherever they lie."""
    digest = sha256()
    folders = [_root() / name for name in ("actors", "cluster", "protocol")]
    files = {path.relative_to(_root()).as_posix(): path for folder in folders for path in folder.rglob("*.py")}
    for name in sorted(files):
        digest.update(f"{name}\n".encode() + sha256(files[name].read_bytes()).digest())
    return digest.hexdigest()


def python() -> str:
    """The Python of this process as far as it has to be the same on all nodes, as 3.11."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"
