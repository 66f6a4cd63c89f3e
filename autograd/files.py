"""Files of this package: written whole or not at all, its version, and whether the folder is its own."""

import contextlib
import os
import secrets
import warnings
from pathlib import Path


def version() -> str:
    """The version of this package."""
    from importlib import metadata  # which takes longer to import than the engine

    try:
        return metadata.version("scalar-autograd")
    except metadata.PackageNotFoundError:
        return "unknown"


def check_files(door: str) -> None:
    """Warns if another package has put its files into the folder of this front door."""
    if (folder := Path(door).parent).joinpath("numpy", "numpy_wrapper.py").exists():
        warnings.warn(
            f"{folder} also holds the files of HIPS's autograd, which has the same name, so that one may break the "
            f"other; keep one of them: pip uninstall autograd scalar-autograd, then install the one that you want",
            stacklevel=3,
        )


def write_file(path: Path, content: bytes) -> None:
    """Writes beside the file and renames, so that an interrupt leaves the old file or the new one.

    What a link points to is written, not the link; a device or a pipe is written to as it is.
    Raises OSError, which names the file.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
