"""How a scenario is driven: the clock and its two engines, in this process and on Ray."""
