"""What the library's log does not say."""

from __future__ import annotations

import logging

import pytest
from websockets.frames import Frame, Opcode

from sidecar.signaling.frame_log import hide_secrets


@pytest.mark.parametrize("key", ["pin", "token", "rejoinToken"])
def test_secrets_are_not_shown(key: str, caplog: pytest.LogCaptureFixture) -> None:
    hide_secrets()
    frame = Frame(Opcode.TEXT, f'{{"{key}": "xyzzy"}}'.encode())
    with caplog.at_level(logging.DEBUG, "websockets.server"):
        logging.getLogger("websockets.server").debug("< %s", frame)
    [message] = caplog.messages
    assert "xyzzy" not in message
    assert "TEXT with a secret" in message


def test_the_rest_is(caplog: pytest.LogCaptureFixture) -> None:
    hide_secrets()
    logger = logging.getLogger("websockets.server")
    with caplog.at_level(logging.DEBUG, "websockets.server"):
        logger.debug("< %s", Frame(Opcode.TEXT, b'{"type": "leave"}'))
        logger.debug("= %s is %d", "it", 1)
        logger.debug("plain")
    assert "leave" in caplog.messages[0]
    assert caplog.messages[1:] == ["= it is 1", "plain"]
