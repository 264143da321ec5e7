"""Swapping over the network, the side that needs pages kept: `device` is what all transports share.

The side that keeps them is `netswap.actors.storage`.
"""
