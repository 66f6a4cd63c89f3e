"""Files are written whole or not at all."""

import contextlib
import os
import secrets
from pathlib import Path


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
