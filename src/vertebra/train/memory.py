"""Keeps freed memory in the process, so that tensors of every step do not fault their pages in anew."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
"""Of glibc's malloc.h."""


def keep_freed_memory() -> bool:
    """Tells glibc to serve large blocks from its heap and to give nothing back; True where that was done.

    For the whole process, from now on; it may hold as much memory as it ever used.  Elsewhere than on glibc it does
    nothing.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has no mallopt
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    return bool(mallopt(M_MMAP_THRESHOLD, 1 << 30)) & bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
