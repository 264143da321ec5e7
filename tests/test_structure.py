"""How the house is built: which way imports go, and how large a function may be."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

pytestmark = pytest.mark.xdist_group("structure")  # one process reads the sources
ROOT = Path(__file__).parent.parent
FLOORS = ("protocol", "actors", "cluster")
PARAMETERS_90TH, PARAMETERS_MAX = 3, 7
"""`self` left out, and the options of the command."""
LINES_MAX = 40
"""Of a function, docstring and signature included."""
CHAIN_MAX = 33
"""Modules that import each other in a row, at most; docs/design.md has what makes it so long."""
MORE = {"actors.programs.system:send_train", "cluster.lab.cluster:open_cluster"}
"""Of the Python interface, whose parameters stay as they are within a minor version."""
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for floor in FLOORS
    for path in sorted((ROOT / floor).rglob("*.py"))
}
"""Modules below `netswap`, by name."""


@cache
def nodes(path: Path) -> list[ast.AST]:
    """All that a file says, as Python reads it."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imports(path: Path) -> Iterator[str]:
    """Our own modules that a file names in any import, those for type checkers and within functions too."""
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("netswap."):
            base = node.module.removeprefix("netswap.")
            for one in node.names:
                yield f"{base}.{one.name}" if f"{base}.{one.name}" in FILES else base


@cache
def modules() -> nx.DiGraph:
    """Which module imports which."""
    return nx.DiGraph((name, other) for name, path in FILES.items() for other in imports(path))


def room(module: str) -> str:
    """The folder that a module is in; one beside the rooms of its floor stands for itself."""
    return ".".join(module.split(".")[:2])


def floor(module: str) -> int:
    """0 for protocol, 1 for actors, 2 for cluster."""
    return FLOORS.index(module.split(".")[0])


def circles(graph: nx.DiGraph) -> list[set[str]]:
    """Those that import each other, directly or through others."""
    return [found for found in nx.strongly_connected_components(graph) if len(found) > 1]


def rooms(edges: nx.DiGraph) -> nx.DiGraph:
    """The same arrows, from room to room."""
    found = ((room(one), room(other)) for one, other in edges.edges)
    return nx.DiGraph((one, other) for one, other in found if one != other)


def test_imports_go_one_way_between_the_floors() -> None:
    back = [(one, other) for one, other in modules().edges if floor(one) < floor(other)]
    assert back == []


def test_no_module_imports_itself_through_others() -> None:
    assert circles(modules()) == []


def test_the_longest_chain_of_imports_does_not_grow() -> None:
    chain = nx.dag_longest_path(modules())
    assert len(chain) <= CHAIN_MAX, chain


def test_no_rooms_import_each_other() -> None:
    assert circles(rooms(modules())) == []


ROOMS = ("kernels", "network", "memory", "net", "swap", "programs", "storage", "process", "machine")
"""Of actors, as docs/design.md draws them: each may know those before it."""


def test_the_rooms_of_actors_know_those_before_them() -> None:
    order = {f"actors.{name}": place for place, name in enumerate(ROOMS)}
    assert set(order) == {f"actors.{path.parent.name}" for path in (ROOT / "actors").glob("*/__init__.py")}
    arrows = [(order.get(one, -1), order.get(other, -1), one, other) for one, other in rooms(modules()).edges]
    assert [arrow for arrow in arrows if 0 <= arrow[0] < arrow[1]] == []


def test_what_stands_beside_the_rooms_of_actors_knows_none_of_them() -> None:
    rooms_of_actors = tuple(f"actors.{name}." for name in ROOMS)
    beside = [(one, other) for one, other in modules().edges if one.startswith("actors.") and one.count(".") == 1]
    beside = [(one, other) for one, other in beside if f"{one}." not in rooms_of_actors]
    assert [arrow for arrow in beside if f"{arrow[1]}.".startswith(rooms_of_actors)] == []


def test_beside_the_rooms_of_cluster_stands_nothing_but_the_plugin() -> None:
    assert {path.name for path in (ROOT / "cluster").glob("*.py")} == {"__init__.py", "pytest_plugin.py"}


def test_a_circle_would_be_found() -> None:
    """The same look at a drawing with one in it."""
    drawn = nx.DiGraph([("actors.memory.page_faults", "actors.swap.device"), ("actors.swap.nfs", "actors.memory.zone")])
    assert circles(drawn) == []
    assert circles(rooms(drawn)) == [{"actors.memory", "actors.swap"}]


def parameters() -> list[tuple[int, str]]:
    """How many each function takes, with its place."""
    found = []
    for name, path in FILES.items():
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef) and "typer" not in ast.dump(node):
                taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                found.append((sum(one.arg not in ("self", "cls") for one in taken), f"{name}:{node.name}"))
    return sorted(found)


def test_functions_take_few_parameters() -> None:
    found = parameters()
    assert {place for count, place in found if count > PARAMETERS_MAX} == MORE
    assert found[len(found) * 9 // 10][0] <= PARAMETERS_90TH


def test_functions_are_short() -> None:
    long = [
        f"{name}:{node.name}"
        for name, path in FILES.items()
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= LINES_MAX
    ]
    assert long == []


def test_an_actor_does_not_load_what_reads_and_checks_scenarios() -> None:
    """Each process of a run on Ray would take three times as long to start."""
    program = "import sys; import netswap.cluster.engine.host; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "netswap.cluster.scenario.resolved" in loaded
    assert not loaded & {"netswap.cluster.scenario.scenario", "networkx", "pydantic", "ruamel.yaml"}
