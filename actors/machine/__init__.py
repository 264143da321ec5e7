"""One machine: the door (`door`), what stands behind it (`assembly`), and what outlives a crash (`tally`)."""

from netswap.actors.machine.door import Machine

__all__ = ["Machine"]
