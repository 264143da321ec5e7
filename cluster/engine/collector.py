"""The garbage collector while machines run: frames and events die without it, and there are many."""

import gc
from typing import Final

_YOUNG_MAX: Final = 50_000
"""Objects made before it looks at them."""

_before: list[tuple[int, int, int]] = []
"""The collector's thresholds before the first `hold` that still lasts, once for each `hold` that does."""


def hold() -> None:
    """What is there is not looked at again, and what comes seldom; until `release`."""
    _before.append(_before[0] if _before else gc.get_threshold())
    gc.freeze()
    gc.set_threshold(_YOUNG_MAX, *_before[0][1:])


def release() -> None:
    """Once for each `hold`; the last puts everything back."""
    before = _before.pop()
    if not _before:
        gc.set_threshold(*before)
        gc.unfreeze()
