from __future__ import annotations

import signal

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Results are equal to the last bit for one number of threads only."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def ctrl_c_is_pythons_own():
    """Libraries and shells change what Ctrl-C does; these tests are about a process in which nobody has."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
