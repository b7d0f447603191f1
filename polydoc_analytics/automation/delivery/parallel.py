"""Deliveries side by side: a slow receiver holds up what is in its own lane, and nothing else."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from polydoc_analytics.automation.delivery.messages import Delivery, Package
from polydoc_analytics.automation.delivery.send import Clock, Outcome, Save, attempt, begin, finish
from polydoc_analytics.config.tables import AnyTarget, Schedule

AT_ONCE = 8
AT_ONCE_TO_ONE = 4
"""So many tries at most are under way at once, and to one target: a slow one leaves room for the others."""


@dataclass(frozen=True, slots=True)
class Task:
    """A delivery that is to be tried: its target, what loads its package, and what makes its record durable."""

    delivery: Delivery
    target: AnyTarget | None
    load: Callable[[], Package]
    save: Save


Lane = Generator[Sequence[Task], None, None]
"""Yields the tasks that may be done side by side, and goes on when all of them are done."""


@dataclass
class _Progress:
    lane: Lane
    left: deque[Task] = field(default_factory=deque)
    under_way: int = 0
    is_cut: bool = False


def run_parallel(
    lanes: Iterable[Lane], clock: Clock, schedule: Schedule, stop: Callable[[], bool] = lambda: False
) -> None:
    """Do the tasks of all lanes, a bounded number at once, in turn between the lanes.

    Lanes are gone on with, and records changed, in the calling thread alone. Where ``stop`` tells so, what is under way
    is finished and nothing else is begun; a lane of which something was left is not gone on with. Where a record cannot
    be written, what is under way is recorded all the same, as far as it can be, so that it is not sent again.
    """
    active = [_Progress(lane) for lane in lanes]
    running: dict[Future[Outcome], tuple[_Progress, Task]] = {}
    busy: Counter[str] = Counter()
    with (
        ThreadPoolExecutor(AT_ONCE, thread_name_prefix="polydoc-delivery") as pool,
        _recorded(running, clock, schedule),
    ):
        while True:
            active = [one for one in active if _goes_on(one)]
            for one in _in_turn(active, busy, len(running)):
                task = one.left.popleft()
                if stop():
                    one.is_cut = True
                elif begin(task.delivery, task.save, clock(), schedule):
                    one.under_way += 1
                    busy[task.delivery.target] += 1
                    running[pool.submit(attempt, task.delivery, task.target, task.load)] = one, task
            if running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    one, task = running.pop(future)
                    one.under_way -= 1
                    busy[task.delivery.target] -= 1
                    finish(task.delivery, future.result(), task.save, clock(), schedule)
            elif not active:
                return


@contextmanager
def _recorded(
    running: dict[Future[Outcome], tuple[_Progress, Task]], clock: Clock, schedule: Schedule
) -> Iterator[None]:
    """Record what is under way where the block ends early."""
    try:
        yield
    except BaseException:
        for future, (_, task) in running.items():
            with suppress(Exception):  # what ended the block is told
                finish(task.delivery, future.result(), task.save, clock(), schedule)
        raise


def _goes_on(progress: _Progress) -> bool:
    """Take the next tasks of a lane whose last ones are done; tell whether it has any."""
    while not progress.left and not progress.under_way:
        if progress.is_cut:
            return False
        found = next(progress.lane, None)
        if found is None:
            return False
        progress.left.extend(found)
    return True


def _in_turn(active: Sequence[_Progress], busy: Counter[str], under_way: int) -> list[_Progress]:
    """Return the lanes whose next task has a place, one after the other until all places are taken."""
    taken, targets, found = under_way, busy.copy(), []
    position = {id(one): 0 for one in active}
    while taken < AT_ONCE:
        before = taken
        for one in active:
            at = position[id(one)]
            if (
                taken < AT_ONCE
                and at < len(one.left)
                and targets[name := one.left[at].delivery.target] < AT_ONCE_TO_ONE
            ):
                position[id(one)] += 1
                targets[name] += 1
                taken += 1
                found.append(one)
        if taken == before:
            break
    return found
