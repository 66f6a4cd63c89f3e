"""Extras: optional packages that a notebook needs, asked for in its first cell."""

from importlib.util import find_spec

PACKAGES = {"plot": "matplotlib", "data": "sklearn", "compile": "llvmlite", "notebook": "nbconvert"}
"""A package that tells whether the extra is there."""


def has(extra: str) -> bool:
    """Whether an extra of this package is installed. Raises ValueError for an unknown one."""
    if extra not in PACKAGES:
        raise ValueError(f"has expected one of {', '.join(PACKAGES)}, got {extra!r}")
    return find_spec(PACKAGES[extra]) is not None


def needs(*extras: str) -> None:
    """Nothing, if all of these extras are installed. Raises ImportError with the command that installs those that are
    missing.

    >>> needs("plot", "data")
    """
    if missing := ",".join(extra for extra in extras if not has(extra)):
        raise ImportError(
            f"this notebook needs more than is installed: pip install 'scalar-autograd[{missing}]', or in a clone of "
            f"the project .venv/bin/pip install '.[{missing}]'; then restart the kernel"
        )
