"""The certificate: made once, made again after a failure, and never waited for without end."""

from __future__ import annotations

import logging
from concurrent.futures import Executor, Future
from typing import Any, cast

import pytest

from sidecar.net import certificates as certificates_module
from sidecar.net.certificates import RETRY_INTERVAL_NS, CertificateSource, certificate_error
from sidecar.net.dtls import Certificate
from sidecar.sfu import SfuError
from tests.unit.net.support import FakeClock

CERTIFICATE = Certificate()


class LazyExecutor:
    """Threads that get round to something when the test says so.

    Attributes:
        is_full: There is no thread to be had.
        is_at_once: Whatever is handed in is done there and then.
    """

    def __init__(self) -> None:
        self.is_full = False
        self.is_at_once = True
        self._waiting: list[tuple[Any, Future[Any]]] = []

    def submit(self, function: Any) -> Future[Any]:
        if self.is_full:
            raise RuntimeError("can't start new thread")
        future: Future[Any] = Future()
        self._waiting.append((function, future))
        if self.is_at_once:
            self.work()
        return future

    def work(self) -> None:
        while self._waiting:
            function, future = self._waiting.pop()
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)


class Scene:
    """A source of certificates that fails as often as it is told.

    Attributes:
        errors: What the next tries end with.
        tries: How often one was made, or not.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.executor = LazyExecutor()
        self.errors: list[BaseException] = []
        self.tries = 0
        self.source = CertificateSource(self.make, cast(Executor, self.executor), self.clock)

    def make(self) -> Certificate:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return CERTIFICATE


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_it_is_made_once(scene: Scene) -> None:
    scene.source.prepare()
    assert scene.source.get() is scene.source.get() is CERTIFICATE
    assert scene.tries == 1


@pytest.mark.parametrize(
    "error",
    [MemoryError(), ImportError("DLL load failed"), SystemExit(1), OSError(24, "too many files")],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_is_answered_with_a_code_and_does_not_stay(
    scene: Scene, error: BaseException
) -> None:
    scene.errors = [error]
    with pytest.raises(SfuError) as refused:
        scene.source.get()
    assert refused.value.code == "dtls-unavailable"
    scene.clock.now_ns += RETRY_INTERVAL_NS
    assert scene.source.get() is CERTIFICATE


def test_however_many_ask_a_failure_is_tried_again_once_a_second(scene: Scene) -> None:
    scene.errors = [MemoryError() for _ in range(10)]
    for _ in range(100):
        with pytest.raises(SfuError):
            scene.source.get()
    assert scene.tries == 1
    scene.clock.now_ns += RETRY_INTERVAL_NS
    scene.source.prepare()
    assert scene.tries == 2


def test_the_log_has_one_traceback_however_often_it_fails(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.errors = [MemoryError() for _ in range(3)]
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            scene.source.prepare()
            scene.clock.now_ns += RETRY_INTERVAL_NS
    assert [record.exc_info is not None for record in caplog.records] == [True, False, False]


def test_without_a_thread_there_is_an_answer_as_well(scene: Scene) -> None:
    scene.executor.is_full = True
    with pytest.raises(SfuError, match="certificate"):
        scene.source.get()
    scene.executor.is_full = False
    scene.clock.now_ns += RETRY_INTERVAL_NS
    assert scene.source.get() is CERTIFICATE


def test_one_that_takes_too_long_is_not_waited_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates_module, "MAX_WAIT_S", 0)
    scene.executor.is_at_once = False
    for _ in range(2):
        with pytest.raises(SfuError) as refused:
            scene.source.get()
        assert refused.value.code == "dtls-not-ready"
    scene.executor.work()
    assert scene.source.get() is CERTIFICATE
    assert scene.tries == 1


def test_at_the_end_nobody_waits(scene: Scene) -> None:
    scene.executor.is_at_once = False
    scene.source.prepare().cancel()
    with pytest.raises(SfuError) as refused:
        scene.source.get()
    assert refused.value.code == "stopping"


@pytest.mark.parametrize(
    ("error", "is_hopeless"),
    [
        (MemoryError("Cannot allocate write+execute memory"), True),
        (ModuleNotFoundError("No module named 'OpenSSL'"), True),
        (RuntimeError("can't start new thread"), False),
        (OSError(24, "too many open files"), False),
    ],
)
def test_it_is_known_whether_another_try_can_end_otherwise(
    error: Exception, is_hopeless: bool
) -> None:
    described = certificate_error(error)
    assert described.is_hopeless == is_hopeless
    assert str(error) in str(described)
