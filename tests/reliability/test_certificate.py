"""The certificate for DTLS cannot be made, as under rules that forbid writable code."""

from __future__ import annotations

import pytest

from sidecar import server as server_module
from sidecar.app import running_server
from sidecar.net import certificates as certificates_module
from sidecar.net.dtls import Certificate
from sidecar.settings import PortRange, Settings
from tests.support.signaling import ProtocolError, SignalingClient
from tests.support.synthetic import eventually

SETTINGS = Settings(host="127.0.0.1", port=0, media_ports=PortRange(0, 0))
WHO = {"roomId": "class", "peerId": "student", "name": "student", "isTeacher": False}


@pytest.mark.parametrize("error", [MemoryError("write+execute"), SystemExit(255)])
async def test_each_create_transport_is_answered_and_the_failure_does_not_stay(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [error]

    def make_certificate() -> Certificate:
        if failures:
            raise failures[0]
        return Certificate()

    monkeypatch.setattr(server_module, "_make_certificate", make_certificate)
    monkeypatch.setattr(certificates_module, "RETRY_INTERVAL_NS", 0)
    async with running_server(SETTINGS) as running:
        async with await SignalingClient.connect(running.ready.local_url) as client:
            await client.request("join", WHO)
            for _ in range(3):
                with pytest.raises(ProtocolError) as refused:
                    await client.request("createTransport", {"direction": "recv"})
                assert refused.value.code == "dtls-unavailable"
            failures.clear()
            transport = await client.request("createTransport", {"direction": "recv"})
            assert transport["dtlsParameters"]["fingerprints"]
        await eventually(lambda: not running.server.signaling.snapshot().rooms, "it has left")
