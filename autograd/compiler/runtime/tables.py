"""Tables of other libraries, such as pandas, polars and pyarrow, as rows of numbers."""

import contextlib
import itertools
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any


def is_table(x: Any) -> bool:
    """Whether x has named columns, over which its iterator would go."""
    kind = type(x)  # a lazy table warns when it is asked itself
    return hasattr(kind, "columns") and (hasattr(kind, "dtypes") or hasattr(kind, "schema"))


def rows_of(table: Any) -> Any:
    """The rows of a table, as an array if NumPy is there and all columns have a kind of number, else as lists; nan for
    what is missing. Raises TypeError, with its name, for a column that holds something else.
    """
    names, columns = _columns(table)
    arrays = list(map(_array, columns))
    if arrays and not any(x is None for x in arrays):
        import numpy

        return numpy.column_stack(arrays)
    numbers = [_numbers(name, column) for name, column in zip(names, columns, strict=True)]
    return [list(row) for row in zip(*numbers, strict=True)]


def _columns(table: Any) -> tuple[list[str], list[Any]]:
    """The names of the columns, and the columns."""
    if hasattr(table, "iloc"):  # pandas, where two columns may have one name
        return [str(name) for name in table.columns], [table.iloc[:, i] for i in range(len(table.columns))]
    if hasattr(table, "column_names") and hasattr(table, "columns"):
        return list(table.column_names), list(table.columns)
    if hasattr(table, "get_columns"):
        return list(table.columns), list(table.get_columns())
    load = next((f"; write .{name}() first" for name in ("collect", "compute") if hasattr(table, name)), "")
    raise TypeError(f"expected a table whose rows can be read, got {type(table).__name__}{load}")


def _array(column: Any) -> Any:
    """The column as an array of numbers; None if NumPy has no kind of number for it, or is missing."""
    with contextlib.suppress(ImportError):
        import numpy

        found = numpy.asarray(column)
        return found if found.dtype.kind in "fiub" else None
    return None


def _numbers(name: str, column: Any) -> list[Any]:
    entries: Sequence[Any] = next(
        getattr(column, method)() for method in ("to_pylist", "to_list", "tolist") if hasattr(column, method)
    )
    found = [_number(x) for x in entries]
    wrong = next(itertools.compress(entries, [x is None for x in found]), None)
    if wrong is not None:
        raise TypeError(
            f"expected columns of numbers, got {wrong!r} ({type(wrong).__name__}) in column {name!r}; leave it out, or "
            f"make numbers of it, such as nn.one_hot of a class"
        )
    return found


def _number(x: Any) -> Any:
    """None for what is no number."""
    if x is None or type(x).__name__ in ("NAType", "NaTType"):
        return float("nan")
    if isinstance(x, Decimal | bool):
        return float(x)
    return x if isinstance(x, Real) else None
