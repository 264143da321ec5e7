"""The bare loop in C++ (floor.cc): what a compiled core could give at most, of what a simulated network has to do.

It has events, links and a copy of each packet, and no memory, no kernel, no bytes of a protocol.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.measure import LeftOutError, Measured

SOURCE: Final = Path(__file__).with_name("floor.cc")
BUILD_S_MAX: Final = 120
RUN_S_MAX: Final = 120


def run(workload: str) -> Measured:
    """Compile it and run a workload (W1, W2 or W3); frames per CPU second. Raises `LeftOutError` without a compiler."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise LeftOutError("there is no C++ compiler (c++, g++, clang++ or $CXX)")
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder, "floor")
        build = [*compiler.split(), "-O2", "-std=c++17", str(SOURCE), "-o", str(binary)]
        made = subprocess.run(build, capture_output=True, text=True, check=False, timeout=BUILD_S_MAX)
        if made.returncode:
            raise LeftOutError(f"{compiler} does not compile {SOURCE.name}: {made.stderr.strip()[:200]}")
        out = subprocess.run([binary, workload], capture_output=True, text=True, check=True, timeout=RUN_S_MAX).stdout
    said: Measured = json.loads(out)
    return {**said, "rate": said["frames"] / said["cpu_s"]}
