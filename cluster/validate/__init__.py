"""The model held against a real kernel: cells of an experiment on Linux 6.1, each as a scenario, and what became of both.

A cell is a row of a csv (`cells`); rules, column by column, make a scenario of it (`mapping`) on one guest (`guest`). A run of
it is judged by the definitions of the experiment (`trial`), and compared with what the real machine did (`compare`).
"""
