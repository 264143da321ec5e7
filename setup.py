"""Compiles what a simulation spends its time in, when NETSWAP_COMPILE=1 asks for it; all else stands in pyproject.toml.

mypyc makes extension modules of the sources as they are typed. It needs a C compiler, Python's headers, and mypy in the
environment that builds (`pip install --no-build-isolation`).
"""

import os
import sys
from pathlib import Path
from typing import Any, Final

from setuptools import setup

_FOLDERS: Final = ("netswap/protocol", "netswap/actors")
_TOO: Final = [f"netswap/cluster/engine/{name}.py" for name in ("clock", "horizons", "orders", "pace", "shard")]
_LEFT_OUT: Final = "ClassVar"
"""Programs with one stay plain: mypyc (2.4) makes instances of a dataclass with slots and a class variable fail."""
_RECORDS: Final = ("settings.py", "policy.py", "machine_report.py", "trace.py", "recording.py")
"""What is sent to actors and back stays plain: an instance of a frozen dataclass that mypyc (2.4) made is not unpickled.

A trace stays plain too: listeners are subclasses of it, written in plain Python."""


def _sources() -> list[str]:
    paths = [path for folder in _FOLDERS for path in sorted(Path(folder).rglob("*.py"))]
    paths = [path for path in paths if path.name not in ("__init__.py", *_RECORDS)]
    return [*(str(path) for path in paths if _LEFT_OUT not in path.read_text(encoding="utf-8")), *_TOO]


def _extensions() -> list[Any]:
    if os.environ.get("NETSWAP_COMPILE") != "1":
        return []
    try:
        from mypyc.build import mypycify
    except ImportError:
        sys.exit("NETSWAP_COMPILE=1 needs mypy where it builds: pip install mypy setuptools, then --no-build-isolation")
    return mypycify(_sources(), opt_level="2", multi_file=True)


setup(ext_modules=_extensions())
