"""The compiler: a scalar function is traced once, and runs natively. The third door, for `nn`.

`compile` and what it returns; `symbolic`, and the questions that code asks while it is traced. `Training` and `Rule`
need llvmlite, and are imported when they are asked for.
"""

from typing import TYPE_CHECKING, Any

from .compiled import Compiled, compile
from .runtime.batches import listed
from .runtime.tables import is_table
from .tracing.parts import part
from .tracing.trace import Shortened, ask, assume, called, each, in_parts, name_index
from .tracing.unknown import is_symbolic, symbolic
from .tracing.watch import Watched

if TYPE_CHECKING:
    from .training.rules import Rule
    from .training.session import Training

__all__ = [
    "Compiled",
    "Rule",
    "Shortened",
    "Training",
    "Watched",
    "ask",
    "assume",
    "called",
    "compile",
    "each",
    "in_parts",
    "is_symbolic",
    "is_table",
    "listed",
    "name_index",
    "part",
    "symbolic",
]


def __getattr__(name: str) -> Any:
    if name == "Rule":
        from .training.rules import Rule  # which imports llvmlite, an extra

        return Rule
    if name == "Training":
        from .training.session import Training  # which imports llvmlite, an extra

        return Training
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
