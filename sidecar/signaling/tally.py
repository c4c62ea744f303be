"""What happens often, said seldom."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

INTERVAL_S: Final = 10.0


class Tally:
    """Counts what happens in the current event loop, and logs one line for many of them.

    Args:
        logger: Where.
        text: With a place for the number.

    Attributes:
        total: How many there have ever been.
    """

    def __init__(self, logger: logging.Logger, text: str) -> None:
        self._logger = logger
        self._text = text
        self._count = 0
        self.total = 0

    def add(self) -> int:
        """Count one; the line comes when the interval that begins with the first one is over.

        Returns:
            How many there have been in this interval.
        """
        if self._count == 0:
            asyncio.get_running_loop().call_later(INTERVAL_S, self._say)
        self._count += 1
        self.total += 1
        return self._count

    def _say(self) -> None:
        self._logger.warning(self._text, self._count)
        self._count = 0
