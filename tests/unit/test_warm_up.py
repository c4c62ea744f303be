"""What is loaded after the start, and what is said if that fails."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from sidecar import warm_up as warm_up_module
from sidecar.errors import CannotWorkError
from sidecar.net.errors import CertificateError
from sidecar.warm_up import MODULES, warm_up


class FakePort:
    """A UDP port that has nothing to load."""

    def __init__(self, failure: CertificateError | None = None) -> None:
        self.failure = failure
        self.is_warm = False

    async def warm_up(self) -> None:
        if self.failure is not None:
            raise self.failure
        self.is_warm = True


async def warm_up_fake(port: FakePort) -> None:
    await warm_up(port)  # type: ignore[arg-type]


@pytest.fixture
def importing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Have every import fail."""

    def fail_with(error: BaseException) -> None:
        def fail(_name: str) -> None:
            raise error

        monkeypatch.setattr(warm_up_module, "import_module", fail)

    return fail_with


async def test_everything_is_loaded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(warm_up_module, "import_module", loaded.append)
    port = FakePort()
    with caplog.at_level(logging.INFO):
        await warm_up_fake(port)
    assert loaded == list(MODULES)
    assert port.is_warm
    assert "everything is loaded" in caplog.text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ImportError("DLL load failed while importing _rust"), "DLL load failed"),
        (SystemExit("archive not found"), "archive not found"),
        (MemoryError("cannot allocate write+execute memory"), "write\\+execute"),
        (OSError("libsrtp is no library"), "no library"),
    ],
)
async def test_what_is_missing_is_said_with_words(
    importing: Callable[[BaseException], None], error: BaseException, words: str
) -> None:
    importing(error)
    with pytest.raises(CannotWorkError, match=words) as caught:
        await warm_up_fake(FakePort())
    assert caught.value.hint
    assert (caught.value.code, caught.value.exit_code) == ("cannot-work", 10)


async def test_a_certificate_that_can_never_be_made_is_the_end() -> None:
    failure = CertificateError("none", is_hopeless=True)
    failure.__cause__ = MemoryError("cannot allocate write+execute memory")
    with pytest.raises(CannotWorkError, match="memory"):
        await warm_up_fake(FakePort(failure))


async def test_a_certificate_that_may_be_made_later_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        await warm_up_fake(FakePort(CertificateError("none yet", is_hopeless=False)))
    assert "everything is loaded" not in caplog.text
