"""The wait-for graph of a run that has ended, read off its result: the part that one machine's story is about."""

import json
from typing import Any

import networkx


def wait_graph(result: dict[str, Any]) -> "networkx.DiGraph[str]":
    """Which task waits for which at the end of a run, of all machines; nodes have their `machine` and their `sentence`."""
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    for name, machine in result["machines"].items():
        for node in machine["waits"]:
            graph.add_node(node["node"], machine=name, sentence=node["sentence"])
    for machine in result["machines"].values():
        for node in machine["waits"]:
            graph.add_edges_from((node["node"], target) for target in node["waits_for"] if target in graph)
    return graph


def of_machine(result: dict[str, Any], machine: str) -> "networkx.DiGraph[str]":
    """The part of it that what this machine waits for leads to, told as a story: programs first, then breadth first."""
    graph = wait_graph(result)
    order: dict[str, None] = {}
    for program in result["machines"][machine]["programs"]:
        task = f"{machine}/{program['name']}"
        if task in graph:
            order.update(dict.fromkeys([task, *(node for _, node in networkx.bfs_edges(graph, task))]))
    told: networkx.DiGraph[str] = networkx.DiGraph()
    told.add_nodes_from((node, graph.nodes[node]) for node in order)
    told.add_edges_from((one, other) for one, other in graph.edges if one in order and other in order)
    return told


def loop_of(graph: "networkx.DiGraph[str]") -> set[str]:
    """The nodes that wait for themselves, over other nodes."""
    parts = networkx.strongly_connected_components(graph)
    return {node for part in parts if len(part) > 1 for node in part}


def as_dot(graph: "networkx.DiGraph[str]") -> str:
    """For Graphviz; the loop is drawn bold."""
    loop = loop_of(graph)
    lines = ["digraph waits {", "  node [shape=box]"]
    for node, data in graph.nodes(data=True):
        bold = ", style=bold" if node in loop else ""
        lines.append(f"  {json.dumps(node)} [label={json.dumps(data['sentence'])}{bold}]")
    for one, other in graph.edges:
        bold = " [style=bold]" if one in loop and other in loop else ""
        lines.append(f"  {json.dumps(one)} -> {json.dumps(other)}{bold}")
    return "\n".join([*lines, "}"])


def as_json(graph: "networkx.DiGraph[str]") -> dict[str, Any]:
    """Nodes with their sentences, and whether they are in the loop; edges as pairs."""
    loop = loop_of(graph)
    nodes = [
        {"node": node, "machine": data["machine"], "sentence": data["sentence"], "in_loop": node in loop}
        for node, data in graph.nodes(data=True)
    ]
    return {"nodes": nodes, "edges": [list(edge) for edge in graph.edges]}
