"""Swapping over the network: `device` is the side that needs pages kept, `server` the side that keeps them."""
