"""The wait-for graph as a picture: the story from top to bottom, what each task waits for as arcs beside it.

A node is a line of text, in the order in which the story tells it; the loop is told from what only leads to it.
"""

import textwrap
from dataclasses import dataclass
from typing import Any, Final

import networkx

from netswap.cluster.judge.waits import loop_of, of_machine

_WIDTH: Final = 400
"""Pixels: what a phone has."""
_GUTTER: Final = 90
"""Pixels of the width that are for arcs."""
_COLUMNS: Final = 46
_LINE: Final = 15
_GAP: Final = 14
_LOOP: Final = "#D55E00"
_TAIL: Final = "#777777"


@dataclass(frozen=True)
class Node:
    """A node of the picture."""

    name: str
    lines: list[str]
    in_loop: bool
    y: float
    """The node's middle, pixels from the top."""


def nodes_of(graph: "networkx.DiGraph[str]", machine: str) -> list[Node]:
    """The nodes from top to bottom."""
    loop, y, placed = loop_of(graph), 10.0, []
    for name, data in graph.nodes(data=True):
        owner = "" if data["machine"] == machine else f"{data['machine']}: "
        lines = textwrap.wrap(owner + data["sentence"], _COLUMNS)
        height = _LINE * len(lines)
        placed.append(Node(name, lines, name in loop, y + height / 2))
        y += height + _GAP
    return placed


def picture(result: dict[str, Any], machine: str) -> dict[str, Any] | None:
    """The graph as a chart; None where the machine waits for nothing."""
    import altair as alt
    import pandas as pd

    graph = of_machine(result, machine)
    if not graph.number_of_edges():
        return None
    nodes = nodes_of(graph, machine)
    height = nodes[-1].y + _LINE * len(nodes[-1].lines) / 2 + 10
    x, y = alt.X("x:Q").scale(domain=[0, _WIDTH], nice=False).axis(None), alt.Y("y:Q")
    y = y.scale(domain=[height, 0], nice=False).axis(None)
    colour = alt.Color("part:N").scale(domain=["the loop", "what leads to it"], range=[_LOOP, _TAIL])
    colour = colour.legend(orient="top", title=None)
    dash = alt.StrokeDash("part:N").scale(domain=["the loop", "what leads to it"], range=[[1, 0], [4, 3]])
    dash = dash.legend(orient="top", title=None)
    lines = alt.Chart(pd.DataFrame(_arcs(graph, nodes)))
    arcs = lines.mark_line(strokeWidth=2).encode(
        x=x, y=y, color=colour, strokeDash=dash, detail="arc:N", order="step:O"
    )
    heads = alt.Chart(pd.DataFrame(_heads(graph, nodes))).mark_point(
        shape="triangle-right", filled=True, size=60, opacity=1
    )
    texts = [
        {"x": _GUTTER + 8, "y": node.y, "text": "\n".join(node.lines), "part": _part(node.in_loop)} for node in nodes
    ]
    words = alt.Chart(pd.DataFrame(texts)).mark_text(
        align="left", baseline="middle", fontSize=12, lineBreak="\n", lineHeight=_LINE
    )
    whole = alt.layer(arcs, heads.encode(x=x, y=y, color=colour), words.encode(x=x, y=y, text="text:N"))
    whole = whole.properties(width=_WIDTH + 20, height=height)
    made: dict[str, Any] = whole.configure(font="system-ui, sans-serif", view={"stroke": None}).to_dict()
    return made


def _part(in_loop: bool) -> str:
    return "the loop" if in_loop else "what leads to it"


def _ends(graph: "networkx.DiGraph[str]", nodes: list[Node]) -> list[tuple[float, float, bool]]:
    """(from, to, whether it is of the loop) of each arc; where they begin and where they end is apart by some pixels."""
    place = {node.name: node for node in nodes}
    ends = []
    for one, other in graph.edges:
        source, target = place[one], place[other]
        way = 1 if target.y > source.y else -1
        ends.append((source.y + 4 * way, target.y - 4 * way, source.in_loop and target.in_loop))
    return ends


def _arcs(graph: "networkx.DiGraph[str]", nodes: list[Node]) -> list[dict[str, Any]]:
    """Half ellipses to the left of the text, the wider the longer."""
    from math import cos, pi, sin

    ends = _ends(graph, nodes)
    longest = max(abs(to - begin) for begin, to, _ in ends)
    points = []
    for arc, (begin, to, in_loop) in enumerate(ends):
        width = 14 + (_GUTTER - 20) * abs(to - begin) / longest
        for step in range(25):
            angle = pi * step / 24
            x = _GUTTER - width * sin(angle)
            y = (begin + to) / 2 - (to - begin) / 2 * cos(angle)
            points.append({"arc": arc, "step": step, "x": round(x, 1), "y": round(y, 1), "part": _part(in_loop)})
    return points


def _heads(graph: "networkx.DiGraph[str]", nodes: list[Node]) -> list[dict[str, Any]]:
    return [{"x": _GUTTER - 1, "y": to, "part": _part(in_loop)} for _, to, in_loop in _ends(graph, nodes)]
