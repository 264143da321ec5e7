"""One machine: the door (`door`), what stands behind it (`assembly`), what outlives a crash (`tally`), and its `report`."""

from netswap.actors.machine.door import Machine

__all__ = ["Machine"]
