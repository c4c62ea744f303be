"""The certificate of this process: made in a thread, and made again if it could not be."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from typing import TYPE_CHECKING, Final

from sidecar.net.errors import CertificateError
from sidecar.sfu import SfuError

if TYPE_CHECKING:
    from sidecar.net.dtls import Certificate

logger = logging.getLogger(__name__)

MAX_WAIT_S: Final = 5.0
"""For a certificate that is being made. Nobody has media meanwhile, but somebody waits for an
answer."""

RETRY_INTERVAL_NS: Final = 1_000_000_000
"""After a failure the next try is made so much later, however many clients ask for one."""

_HOPELESS: Final = (MemoryError, ImportError, FileNotFoundError, SystemExit)
"""A system that forbids memory to be both written and executed, a library that is missing, files
that somebody has cleaned away: none of it mends itself while the program runs."""


class CertificateSource:
    """Makes the certificate once it is wanted, and keeps it. A failure is not kept."""

    def __init__(
        self, make: Callable[[], Certificate], executor: Executor, clock: Callable[[], int]
    ) -> None:
        """Makes nothing yet.

        Args:
            make: Makes a certificate; called in a thread.
            executor: Has threads.
            clock: The time in nanoseconds (monotonic).
        """
        self._make = make
        self._executor = executor
        self._clock = clock
        self._future: Future[Certificate] | None = None
        self._tried_ns = 0
        self._failures = 0

    def prepare(self) -> Future[Certificate]:
        """Has it made, unless it is there or being made, or has failed just now."""
        future, now_ns = self._future, self._clock()
        if future is None or (
            _error_of(future) is not None and now_ns - self._tried_ns >= RETRY_INTERVAL_NS
        ):
            self._tried_ns = now_ns
            future = self._future = self._submit()
        return future

    def get(self) -> Certificate:
        """The certificate; waited for, if nobody has needed it before.

        Raises:
            SfuError: There is none. The next one to ask may have more luck.
        """
        future = self.prepare()
        try:
            error = future.exception(MAX_WAIT_S)
        except CancelledError:
            raise SfuError("The server is stopping", "stopping") from None
        except TimeoutError:
            raise SfuError(
                "The server is still starting, please try again", "dtls-not-ready"
            ) from None
        if error is not None:
            raise SfuError(
                "The server cannot make a certificate for DTLS", "dtls-unavailable"
            ) from error
        return future.result()

    def _submit(self) -> Future[Certificate]:
        try:
            future = self._executor.submit(self._make)
        except RuntimeError as error:  # there is no thread to be had
            future = Future()
            future.set_exception(error)
        future.add_done_callback(self._log_failure)
        return future

    def _log_failure(self, future: Future[Certificate]) -> None:
        error = _error_of(future)
        if error is None:
            return
        self._failures += 1
        # Where it happened is told once: clients go on asking.
        logger.error(
            "%s", certificate_error(error), exc_info=error if self._failures == 1 else None
        )


def certificate_error(error: BaseException) -> CertificateError:
    """Says in words why no certificate could be made."""
    return CertificateError(
        f"no certificate for DTLS can be made ({type(error).__name__}: {error})",
        is_hopeless=isinstance(error, _HOPELESS),
    )


def _error_of(future: Future[Certificate]) -> BaseException | None:
    """Why it has failed; None if it has not, or is under way."""
    return None if not future.done() or future.cancelled() else future.exception()
