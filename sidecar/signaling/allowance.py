"""What one connection may ask for, and how fast."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from types import MappingProxyType
from typing import Final

from sidecar.classroom.errors import Fault
from sidecar.limits import Limits
from sidecar.signaling import messages
from sidecar.signaling.limits import LONG_INTERVAL_S, MESSAGES_INTERVAL_S, TokenBucket

MAX_ORIGINS: Final = 4096
"""Of how many addresses it is remembered what they have said: those that were heard last."""


class _Kind(Enum):
    CHAT = "chat"
    CHANGE = "change"
    CONSUME = "consume"


_KINDS: Final[Mapping[str, _Kind]] = MappingProxyType(
    {
        str(request.__struct_config__.tag): kind
        for kind, requests in (
            (_Kind.CHAT, (messages.ChatMessage,)),
            (_Kind.CONSUME, (messages.Consume,)),
            (
                _Kind.CHANGE,
                (
                    # Who leaves must have joined, and who may not leave can hang up.
                    messages.Join,
                    messages.CreateTransport,
                    messages.RestartIce,
                    messages.Produce,
                    messages.CloseProducer,
                    messages.PauseProducer,
                    messages.ResumeProducer,
                ),
            ),
        )
        for request in requests
    }
)
"""What counts as what, by the type of the request; everything counts as a message."""


class Allowance:
    """Counts the requests of one connection, whichever room they go to.

    Args:
        limits: How many there may be.
        clock: Monotonic, in seconds.
        chat: Counts chat messages.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float], chat: TokenBucket) -> None:
        self._messages = TokenBucket(limits.max_messages_per_second, MESSAGES_INTERVAL_S, clock)
        self._refusals = TokenBucket(limits.max_messages_per_second, MESSAGES_INTERVAL_S, clock)
        self._invalid = TokenBucket(limits.max_invalid_messages, LONG_INTERVAL_S, clock)
        self._kinds = {
            _Kind.CHAT: (chat, Fault.TOO_MANY_CHAT_MESSAGES),
            _Kind.CHANGE: (
                TokenBucket(limits.max_changes, LONG_INTERVAL_S, clock),
                Fault.TOO_MANY_CHANGES,
            ),
            _Kind.CONSUME: (
                TokenBucket(limits.max_consume_requests, LONG_INTERVAL_S, clock),
                Fault.TOO_MANY_CHANGES,
            ),
        }

    def refusal(self, request_type: str | None) -> Fault | None:
        """Count a message; why it is not to be carried out, None if it is."""
        if not self._messages.take():
            return Fault.TOO_MANY_MESSAGES
        kind = _KINDS.get(request_type or "")
        if kind is None:
            return None
        bucket, fault = self._kinds[kind]
        return None if bucket.take() else fault

    def may_go_on(self) -> bool:
        """Count a message that was refused as one of too many; False if there is no end to it."""
        return self._refusals.take()

    def may_be_invalid(self) -> bool:
        """Count a message that is no request; False if there were too many of them."""
        return self._invalid.take()


class Allowances:
    """Lends each connection its allowance.

    What was said in the chat outlasts a connection: whoever hangs up and connects anew, from the
    same address, goes on where they were. Connections that are there together have one each.

    Args:
        limits: How many requests of each kind there may be.
        clock: Monotonic, in seconds.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._used: OrderedDict[str, deque[TokenBucket]] = OrderedDict()

    @contextmanager
    def lend(self, origin: str) -> Iterator[Allowance]:
        """Give a connection its allowance, until it has ended.

        Args:
            origin: Its address, or that of its network, as in ``Place``.
        """
        chat = self._take(origin)
        try:
            yield Allowance(self._limits, self._clock, chat)
        finally:
            self._take_back(origin, chat)

    def _take(self, origin: str) -> TokenBucket:
        # The one that has had most time to fill up comes first.
        used = self._used.get(origin)
        if used:
            chat = used.popleft()
            if not used:
                del self._used[origin]
            return chat
        return TokenBucket(self._limits.max_chat_messages, LONG_INTERVAL_S, self._clock)

    def _take_back(self, origin: str, chat: TokenBucket) -> None:
        if chat.is_full:
            return
        self._used.setdefault(origin, deque()).append(chat)
        self._used.move_to_end(origin)
        if len(self._used) > MAX_ORIGINS:
            self._used.popitem(last=False)
