from __future__ import annotations

from vertebra.train.crowding import Threads


def simulated(cost, seconds: float) -> list[int]:
    """The number of threads at each step, where a step costs ``cost(threads, clock)`` seconds."""
    used: list[int] = []
    threads = Threads(lambda count: None, most=2)
    clock = 0.0
    while clock < seconds:
        step = cost(threads.now, clock)
        clock += step
        used.append(threads.now)
        threads.took(step, clock)
    return used


def test_all_threads_alone():
    used = simulated(lambda threads, clock: 0.2 / threads, 60)
    assert used.count(1) == 4 and used[-100:] == [2] * 100


def test_fewer_where_others_hold_the_cores_and_all_again_when_they_left():
    def cost(threads: int, clock: float) -> float:
        crowded = 10 <= clock < 60
        return (2.0 if crowded else 0.1) if threads == 2 else (0.3 if crowded else 0.2)

    used = simulated(cost, 140)
    assert used[-20:] == [2] * 20
    # Steps of two seconds: the one that notices, and a few trials.
    assert sum(cost(2, 30) * (threads == 2) for threads in used[100:250]) < 25


def test_a_single_core_is_left_alone():
    threads = Threads(lambda count: 1 / 0, most=1)
    for step in range(20):
        threads.took(float(step), float(step))
