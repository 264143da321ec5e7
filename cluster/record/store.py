"""A record as Parquet, in a run's folder. Needs pyarrow, which is one of the libraries that a plain run does without."""

import json
from array import array
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from netswap.cluster.record.columns import (
    EACH_PROGRAM,
    MACHINES,
    MOMENTS,
    NAMES,
    PROGRAMS,
    QUANTILES,
    SERIES,
    STATE_NAMES,
    TABLES,
    WAITS,
)
from netswap.cluster.record.moments import Moment
from netswap.cluster.record.plan import Plan
from netswap.cluster.record.record import Record

FOLDER: Final = "record"
"""In a run's folder: the tables of its record."""
_WORDS: Final = ("machine", "program", "state", "waits", "column")
"""Columns of words."""
_SHARES: Final = {"minimum": 0, "p10": 0.1, "median": 0.5, "p90": 0.9, "maximum": 1}


def is_possible() -> bool:
    """Whether the libraries are there that write and read tables."""
    return all(find_spec(name) is not None for name in ("pyarrow", "pandas"))


def tables(record: Record, plan: Plan) -> dict[str, Any]:
    """The tables of a record, by name; their columns are those of `columns.TABLES`."""
    chosen = record.chosen(plan)
    made = {
        "series": _table(SERIES, _series(record, chosen)),
        "programs": _table(PROGRAMS, _programs(record, chosen)),
        "moments": _moments(record),
    }
    if len(chosen) < len(record.indexes):
        made["machines"] = _table(MACHINES, _series(record, record.indexes, tuple(MACHINES)))
        made["quantiles"] = _quantiles(record)
    return made


def missing() -> str:
    """What to say where the libraries are not there."""
    return "this needs libraries that a plain run does without: pip install 'netswap[see]'"


def write(folder: Path, record: Record, plan: Plan) -> None:
    """Write the tables below a run's folder, each whole or not at all. Raises OSError."""
    parquet = import_module("pyarrow.parquet")
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    for name in TABLES:
        (place / f"{name}.parquet").unlink(missing_ok=True)
    for name, table in tables(record, plan).items():
        path = place / f"{name}.parquet"
        part = path.with_suffix(".part")
        parquet.write_table(table, part, compression="zstd")
        part.replace(path)


def read(folder: Path, table: str) -> Any:
    """A table of a run's folder as a pandas frame. Raises FileNotFoundError if it is not there, ValueError for no table."""
    checked(table)
    return import_module("pandas").read_parquet(folder / FOLDER / f"{table}.parquet")


def frame(record: Record, plan: Plan, table: str) -> Any:
    """A table of a record as a pandas frame. Raises ValueError for no table, KeyError where there is none of that kind."""
    checked(table)
    return tables(record, plan)[table].to_pandas()


def checked(table: str) -> None:
    """Raise ValueError if there is no such table, ImportError if the libraries are not there."""
    if table not in TABLES:
        raise ValueError(f"there is no table {table!r}, only {', '.join(TABLES)}")
    if not is_possible():
        raise ImportError(missing())


# -- columns ------------------------------------------------------------------------------------------------------------


def _series(record: Record, machines: Sequence[int], names: Sequence[str] = tuple(SERIES)) -> dict[str, list[Any]]:
    """The columns of these machines, each as the pieces that it is put together of."""
    pieces: dict[str, list[Any]] = {name: [] for name in names}
    for machine in machines:
        columns = record.series(machine)
        rows = len(columns["at_ns"])
        for name in names:
            if name == "machine":
                pieces[name].append(_same(record.names[machine], rows))
            elif name == "state":
                pieces[name].append(_worded(columns[name], STATE_NAMES))
            else:
                pieces[name].append(_numbers(columns[name]))
    return pieces


def _programs(record: Record, machines: Sequence[int]) -> dict[str, list[Any]]:
    pieces: dict[str, list[Any]] = {name: [] for name in PROGRAMS}
    for machine in machines:
        at_ns = record.series(machine)["at_ns"]
        for place, program in enumerate(record.programs(machine)):
            columns = record.of_program(machine, place)
            pieces["at_ns"].append(_numbers(at_ns))
            pieces["machine"].append(_same(record.names[machine], len(at_ns)))
            pieces["program"].append(_same(program, len(at_ns)))
            pieces["waits"].append(_worded(columns["waits"], WAITS))
            pieces["stalled"].append(_numbers(columns["stalled"]).cast("bool"))
            for name in EACH_PROGRAM[2:]:
                pieces[name].append(_numbers(columns[name]))
    return pieces


def _moments(record: Record) -> Any:
    pa = _arrow()
    texts, numbers = pa.string(), pa.int64()
    kinds = dict(zip(MOMENTS, (numbers, numbers, texts, texts, texts, texts, numbers), strict=True))
    rows = [_named(record, moment) for moment in record.moments()]
    columns = {name: [row[place] for row in rows] for place, name in enumerate(MOMENTS)}
    return _described(pa.table({name: pa.array(columns[name], kinds[name]) for name in MOMENTS}), MOMENTS)


def _named(record: Record, moment: Moment) -> tuple[Any, ...]:
    at_ns, until_ns, machine, program, what, detail, free = moment
    name = None if machine < 0 else record.names[machine]
    return (at_ns, until_ns, name, None if program < 0 else record.programs(machine)[program], what, detail, free)


def _quantiles(record: Record) -> Any:
    """Over all machines that were looked at, at each look."""
    all_columns = [record.series(machine) for machine in record.indexes]
    pieces: dict[str, list[Any]] = {name: [] for name in QUANTILES}
    at_ns = all_columns[0]["at_ns"]
    for name in NAMES[1:]:
        ordered = [sorted(values) for values in zip(*(columns[name] for columns in all_columns), strict=True)]
        pieces["at_ns"].append(_numbers(at_ns))
        pieces["column"].append(_same(name, len(at_ns)))
        for label, share in _SHARES.items():
            picked = array("q", [values[min(int(share * len(values)), len(values) - 1)] for values in ordered])
            pieces[label].append(_numbers(picked))
    return _table(QUANTILES, pieces)


def _table(columns: dict[str, str], pieces: dict[str, list[Any]]) -> Any:
    pa = _arrow()
    made = {name: pa.chunked_array(pieces[name] or [_nothing(name)]).unify_dictionaries() for name in columns}
    return _described(pa.table(made), columns)


def _nothing(name: str) -> Any:
    """A column of a table without rows."""
    if name == "stalled":
        return _numbers(array("q")).cast("bool")
    return _same("", 0) if name in _WORDS else _numbers(array("q"))


def _described(table: Any, columns: dict[str, str]) -> Any:
    """With what each column means, and the program that wrote the file, in the file itself."""
    pa = _arrow()
    fields = [field.with_metadata({"description": columns[field.name]}) for field in table.schema]
    described = pa.schema(fields, metadata={"netswap": json.dumps({"version": version("netswap")})})
    return table.cast(described)


def _numbers(column: "array[int]") -> Any:
    pa = _arrow()
    return pa.Array.from_buffers(pa.int64(), len(column), [None, pa.py_buffer(column)])


def _worded(column: "array[int]", words: Sequence[str]) -> Any:
    pa = _arrow()
    return pa.DictionaryArray.from_arrays(_numbers(column).cast("int8"), pa.array(words))


def _same(word: str, rows: int) -> Any:
    pa = _arrow()
    return pa.DictionaryArray.from_arrays(_numbers(array("q", bytes(8 * rows))).cast("int32"), pa.array([word]))


def _arrow() -> Any:
    """The library, of which the rest of the house knows nothing."""
    return import_module("pyarrow")
