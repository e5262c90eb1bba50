"""What a process that trains keeps: freed memory, whose pages every step would fault in anew, and compiled kernels."""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
"""Of glibc's malloc.h."""


KERNELS = 1 << 16
"""More than any job compiles."""


def keep_kernels() -> None:
    """Lets oneDNN keep every kernel that it compiles; for the whole process, if torch has not run a convolution yet.

    By default it throws the oldest away after 1,024, which a process that trains many networks reaches; with torch
    2.13 such a process was seen to end there ("double free or corruption", in oneDNN's ``brgemm_desc_t``).  A number
    that is set in ``ONEDNN_PRIMITIVE_CACHE_CAPACITY`` stands.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KERNELS))


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
