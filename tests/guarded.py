"""Memory between pages that may not be touched, so that native code that goes one number too far crashes at once."""

import ctypes
import itertools
import mmap

import numpy as np

PAGE = mmap.PAGESIZE
NO_ACCESS = 0
turns = itertools.count()


def doubles(count):
    """So many zeros, by turns at the end and at the beginning of pages that lie between two forbidden ones."""
    size = -(-8 * count // PAGE) * PAGE
    pages = mmap.mmap(-1, size + 2 * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    for guard in (start, start + PAGE + size):
        if ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(PAGE), NO_ACCESS):
            raise OSError(ctypes.get_errno(), "mprotect failed")
    offset = PAGE if next(turns) % 2 else PAGE + size - 8 * count
    return (ctypes.c_double * count).from_buffer(pages, offset)


def array(x):
    """A copy of an array of numbers in such memory."""
    x = np.asarray(x)
    room = np.frombuffer(doubles(max(x.size, 1)), x.dtype if x.dtype.itemsize == 8 else float)[: x.size]
    room[:] = x.ravel()
    return room.reshape(x.shape)
