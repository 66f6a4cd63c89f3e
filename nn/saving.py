"""Saving as JSON: numbers keep every bit, a person can read the file, and nothing in it can run.

safetensors would be smaller, but holds tensors: here each scalar has a path, such as `layers.0.weight.2.1`.
"""

import hashlib
import json
import operator
import os
from pathlib import Path
from typing import Any

from autograd.extend import write_file

FORMATS = "scalar-autograd 1", "scalar-autograd 2"
"""Of files without and with a checksum."""


def save(model: Any, path: str | os.PathLike[str]) -> None:
    """Writes the state of a model to a file, whole or not at all; of a `Trainer` everything that training goes on
    with: model, optimizer, schedule, history and counters."""
    _check(model)
    content = {"format": FORMATS[-1], "kind": type(model).__name__, "state": model.state_dict()}
    content["sha256"] = _checksum(content)
    write_file(Path(path), _text(content).encode())


def load(model: Any, path: str | os.PathLike[str]) -> Any:
    """Takes the state in a file over into a model, or `Trainer`, that was built as the saved one was; returns it.

    Raises ValueError, and changes nothing, if the file is no such file, damaged, or of another architecture, which is
    told by the paths of the numbers: activations and other options are not in the file.
    """
    _check(model)
    before = model.state_dict()
    try:
        content = json.loads(Path(path).read_bytes())
        if content["format"] not in FORMATS:
            raise ValueError
        has_none = content["format"] == FORMATS[0] and "sha256" not in content
        whole = has_none or content.pop("sha256") == _checksum(content)
        state, kind = content["state"], content["kind"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{path} is not a whole file written by nn.save") from None
    if kind == "Trainer" != type(model).__name__:
        raise ValueError(
            f"{path} holds a Trainer, with its model; load it with one, or write save(trainer.model, path)"
        )
    if not whole:
        raise ValueError(f"{path} is damaged, or was changed after nn.save wrote it: its checksum does not fit")
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


def _text(content: Any) -> str:
    return json.dumps(content, indent=0, default=operator.methodcaller("item"))  # NumPy's own numbers too


def _checksum(content: Any) -> str:
    return hashlib.sha256(_text(content).encode()).hexdigest()


def _check(model: Any) -> None:
    if isinstance(model, type) or not hasattr(model, "load_state_dict"):
        raise TypeError(f"expected a model or a Trainer first, and then a path, got {model!r}")
