from __future__ import annotations

import torch

from vertebra.train.crowding import Threads, crowded

SECONDS = {(2, False): 0.1, (1, False): 0.2, (2, True): 4.0, (1, True): 0.3}
"""Of a step, by the number of threads and whether a core is held."""


class Machine:
    """Two simulated cores, one of them held by another program from ``begin`` to ``end`` seconds."""

    def __init__(self, begin: float, end: float) -> None:
        self.begin, self.end, self.clock, self.looks = begin, end, 0.0, 0
        self.threads = Threads(2, set_threads=lambda count: None, is_crowded=self.is_crowded)
        self.threads.look(0.0)

    @property
    def held(self) -> bool:
        return self.begin <= self.clock < self.end

    def is_crowded(self, most: int, fewer: int) -> bool:
        assert (most, fewer) == (2, 1)
        self.looks += 1
        self.clock += 0.05
        return self.held

    def run(self, until: float) -> list[int]:
        """The number of threads at each step."""
        used = []
        while self.clock < until:
            used.append(self.threads.now)
            seconds = SECONDS[self.threads.now, self.held]
            self.clock += seconds
            self.threads.took(seconds, self.clock)
        return used


def test_alone_all_threads_and_no_more_looks():
    machine = Machine(1000, 1000)
    assert set(machine.run(60)) == {2} and machine.looks == 1


def test_crowded_fewer_threads_after_one_slow_step_and_all_again_soon_after():
    machine = Machine(10, 60)
    machine.run(10)
    used = machine.run(60)
    assert used.count(2) <= 1 and used[1:] == [1] * (len(used) - 1)
    machine.run(70)
    assert set(machine.run(80)) == {2}


def test_crowded_from_the_start():
    assert set(Machine(0, 50).run(40)) == {1}


def test_the_real_probe_answers_and_the_context_gives_the_threads_back():
    before = torch.get_num_threads()
    assert crowded(2, 1) in (True, False)
    with Threads(2) as threads:
        assert torch.get_num_threads() == threads.now
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
