"""Scenes of the partition tests can be imported by their name; no test fails because the computer is busy."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent / "partitions"))
settings.register_profile("netswap", deadline=None)
settings.load_profile("netswap")
