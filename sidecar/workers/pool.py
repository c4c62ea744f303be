"""All workers: who is started when, which room goes where, and what becomes of those that end."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from sidecar.classroom.errors import ClassroomError
from sidecar.classroom.peer import Peer
from sidecar.classroom.usage import room_fault
from sidecar.lifecycle.status import Others, add_up
from sidecar.lifecycle.warner import Warn
from sidecar.limits import Limits
from sidecar.net.addresses import InterfaceAddress
from sidecar.signaling.client import Client
from sidecar.signaling.registry import Observer, Registry
from sidecar.workers.child import Child
from sidecar.workers.launch import launch
from sidecar.workers.messages import Announce, Found, Start
from sidecar.workers.placement import Load, choose
from sidecar.workers.process import MakeChild, WorkerProcess
from sidecar.workers.relay import Relay

logger = logging.getLogger(__name__)

IDLE_S: Final = 60.0
"""How long a worker without a room waits for another one."""

RETRY_S: Final = 60.0
"""After a worker could not be started: when to try again."""

ANSWER_TIMEOUT_S: Final = 0.5
"""How long a ``status`` waits for a worker."""

STOP_TIMEOUT_S: Final = 0.2
"""How long the workers may take to leave at the end."""

KILL_TIMEOUT_S: Final = 0.1
"""How long the system may take to end those that don't."""

_LAUNCH: Final[MakeChild] = partial(Child, launch)


class Pool:
    """Implements ``sidecar.signaling.elsewhere.Elsewhere``.

    Args:
        max_workers: How many there may be besides the main process.
        limits: How many rooms there may be, in all processes together.
        make_start: What a new worker is told first.
        observer: Sees who comes and goes.
        on_lost: Is called with words for people when a worker has ended that was not to.
        make_child: Starts a process.
        idle_s: See ``IDLE_S``.
        warn: Takes the warnings of workers.
    """

    def __init__(
        self,
        max_workers: int,
        limits: Limits,
        make_start: Callable[[], Start],
        observer: Observer | None,
        on_lost: Callable[[str], None],
        make_child: MakeChild = _LAUNCH,
        idle_s: float = IDLE_S,
        warn: Warn = lambda _code, _message: None,
    ) -> None:
        self._warn = warn
        self._max_workers = max_workers
        self._limits = limits
        self._make_start = make_start
        self._observer = observer
        self._on_lost = on_lost
        self._make_child = make_child
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._workers: list[WorkerProcess] = []
        self._leaving: set[WorkerProcess] = set()
        self._idle_timers: dict[WorkerProcess, asyncio.TimerHandle] = {}
        self._may_start_at_s = 0.0
        self._past_cpu_ns = 0
        self._past_counters: dict[str, int] = {}

    def find(self, room_id: str, peer_id: str) -> Peer | None:
        """See ``Elsewhere``."""
        for worker in self._workers:
            if (peer := worker.peers.get((room_id, peer_id))) is not None:
                return peer
        return None

    async def represent(
        self, client: Client, room_id: str, here: Registry, *, is_proven: bool
    ) -> Relay | None:
        """See ``Elsewhere``."""
        while (worker := self._place(room_id, here, is_proven=is_proven)) is not None:
            worker.claim(room_id)
            try:
                if await worker.ready():
                    return worker.represent(client, room_id, is_proven=is_proven)
            finally:
                worker.release(room_id)
        return None

    async def others(self) -> Others:
        """Ask all workers what is going on; who doesn't answer in time is not waited for."""
        asked = tuple(self._workers)
        answers = await asyncio.gather(*(worker.rooms(ANSWER_TIMEOUT_S) for worker in asked))
        running = [*self._workers, *self._leaving]
        return Others(
            rooms=tuple(room for rooms in answers for room in rooms),
            cpu_ns=self._past_cpu_ns + sum(worker.cpu_ns for worker in running),
            memory_bytes=sum(worker.memory_bytes or 0 for worker in running),
            processes=len(running),
            counters=add_up(self._past_counters, *(worker.counters for worker in running)),
            parts=tuple(worker.part for worker in running),
        )

    def announce(self, addresses: Sequence[str]) -> None:
        """Have all workers announce other addresses."""
        for worker in self._workers:
            worker.post(Announce(list(addresses)))

    def update(self, found: Sequence[InterfaceAddress]) -> None:
        """Tell all workers which addresses this computer has."""
        for worker in self._workers:
            worker.post(Found(list(found)))

    async def close(self) -> None:
        """Have all workers leave, and end those that don't."""
        for timer in self._idle_timers.values():
            timer.cancel()
        for worker in tuple(self._workers):
            self._dismiss(worker)
        if self._leaving and not await self._all_gone(STOP_TIMEOUT_S):
            for worker in self._leaving:
                logger.warning("worker %d does not leave: it is ended", worker.number)
                worker.kill()
            await self._all_gone(KILL_TIMEOUT_S)

    def _place(self, room_id: str, here: Registry, *, is_proven: bool) -> WorkerProcess | None:
        if here.holds(room_id):
            return None
        for worker in self._workers:
            if worker.holds(room_id):
                return worker
        loads = [Load(here.peers, len(here.rooms)), *(worker.load for worker in self._workers)]
        fault = room_fault(sum(load.rooms for load in loads), self._limits, is_proven=is_proven)
        if fault is not None:
            raise ClassroomError(fault)
        may_start = (
            len(self._workers) < self._max_workers and self._loop.time() >= self._may_start_at_s
        )
        chosen = choose(loads, may_start=may_start)
        if chosen == len(loads):
            self._start()
        return self._workers[chosen - 1] if chosen else None

    def _start(self) -> None:
        number = next(self._numbers)
        logger.info("starting worker %d", number)
        self._workers.append(
            WorkerProcess(
                number,
                self._make_child,
                self._make_start(),
                self._observer,
                self._wait_for_a_room,
                self._ended,
                warn=self._warn,
            )
        )

    def _wait_for_a_room(self, worker: WorkerProcess) -> None:
        if worker in self._workers:
            self._cancel_timer(worker)
            self._idle_timers[worker] = self._loop.call_later(
                self._idle_s, self._dismiss_if_idle, worker
            )

    def _dismiss_if_idle(self, worker: WorkerProcess) -> None:
        if not worker.load.rooms:
            logger.info("worker %d has no room any more: it leaves", worker.number)
            self._dismiss(worker)

    def _dismiss(self, worker: WorkerProcess) -> None:
        self._cancel_timer(worker)
        self._workers.remove(worker)
        self._leaving.add(worker)
        worker.leave()

    def _ended(self, worker: WorkerProcess, was_ready: bool, reason: str) -> None:
        self._cancel_timer(worker)
        self._past_cpu_ns += worker.cpu_ns
        self._past_counters = add_up(self._past_counters, worker.counters)
        if worker in self._leaving:
            self._leaving.remove(worker)
            return
        self._workers.remove(worker)
        if not was_ready:
            logger.warning("worker %d could not be started: %s", worker.number, reason)
            self._may_start_at_s = self._loop.time() + RETRY_S
            return
        people = len(worker.peers)
        self._on_lost(
            f"A process that carries media has ended unexpectedly ({reason}): "
            f"{people} {'person has' if people == 1 else 'people have'} to join again"
        )

    def _cancel_timer(self, worker: WorkerProcess) -> None:
        timer = self._idle_timers.pop(worker, None)
        if timer is not None:
            timer.cancel()

    async def _all_gone(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(worker.wait_ended() for worker in self._leaving))
        except TimeoutError:
            return False
        return True
