"""Saving as JSON: numbers keep every bit, a person can read the file, and nothing in it can run.

safetensors would be smaller, but holds tensors: here each scalar has a path, such as `layers.0.weight.2.1`.
"""

import json
import operator
import os
from pathlib import Path
from typing import Any

from autograd.extend import write_file

FORMAT = "scalar-autograd 1"


def save(model: Any, path: str | os.PathLike[str]) -> None:
    """Writes the state of a model to a file, whole or not at all; of a `Trainer` everything that training goes on
    with: model, optimizer, schedule, history and counters."""
    _check(model)
    content = {"format": FORMAT, "kind": type(model).__name__, "state": model.state_dict()}
    numbers_too = operator.methodcaller("item")  # NumPy's own
    write_file(Path(path), json.dumps(content, indent=0, default=numbers_too).encode())


def load(model: Any, path: str | os.PathLike[str]) -> Any:
    """Takes the state in a file over into a model, or `Trainer`, that was built as the saved one was; returns it.

    Raises ValueError, and changes nothing, if the file is no such file, damaged, or of another architecture, which is
    told by the paths of the numbers: activations and other options are not in the file.
    """
    _check(model)
    before = model.state_dict()
    try:
        content = json.loads(Path(path).read_bytes())
        if content["format"] != FORMAT:
            raise ValueError
        state, kind = content["state"], content["kind"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{path} is not a whole file written by nn.save") from None
    try:
        model.load_state_dict(state)
    except BaseException as error:
        model.load_state_dict(before)
        if isinstance(error, KeyError | TypeError | AttributeError | OverflowError):
            raise ValueError(
                f"{path} holds no state of a {type(model).__name__}, but of a {kind}, or is damaged: {error!r}"
            ) from None
        if isinstance(error, ValueError) and kind != type(model).__name__:
            raise ValueError(f"{path} holds the state of a {kind}: {error}") from None
        raise
    return model


def _check(model: Any) -> None:
    if isinstance(model, type) or not hasattr(model, "state_dict"):
        raise TypeError(f"expected a model or a Trainer first, and then a path, got {model!r}")
