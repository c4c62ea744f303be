from __future__ import annotations

import json
from typing import get_args

import pytest

from sidecar.classroom.errors import ClassroomError, Fault
from sidecar.classroom.events import PeerLeft
from sidecar.ortc.errors import OrtcError
from sidecar.ortc.parameters import RtpCapabilities
from sidecar.sfu import SfuError
from sidecar.signaling import replies
from sidecar.signaling.decoding import InvalidMessage
from sidecar.signaling.handlers import HANDLERS
from sidecar.signaling.messages import AnyRequest, Join, Leave, RequestId
from sidecar.signaling.replies import Reply, encode_event, encode_reply, error_reply


def test_a_reply_without_an_id() -> None:
    reply = Reply("produced", replies.Produced("p", "audio"))
    assert json.loads(encode_reply(reply, None)) == {
        "type": "produced",
        "data": {"producerId": "p", "kind": "audio"},
    }


@pytest.mark.parametrize("request_id", ["a", "", 0, 7, 2**70, 0.5])
def test_a_reply_repeats_the_id(request_id: RequestId) -> None:
    message = json.loads(encode_reply(Reply("left", replies.Empty()), request_id))
    assert message == {"type": "left", "data": {}, "id": request_id}


def test_data_may_be_an_array() -> None:
    reply = Reply("producers", [replies.ProducerInfo("p", "audio", "ann")])
    assert json.loads(encode_reply(reply, None))["data"] == [
        {"producerId": "p", "kind": "audio", "peerId": "ann"}
    ]


def test_data_stays_when_empty() -> None:
    assert json.loads(encode_reply(Reply("producers", []), None)) == {
        "type": "producers",
        "data": [],
    }


def test_joined_announces_the_extensions() -> None:
    reply = Reply("joined", replies.Joined("r", "p", True, RtpCapabilities(), "secret"))
    data = json.loads(encode_reply(reply, None))["data"]
    assert data["extensions"] == list(replies.EXTENSIONS)
    ours = {"extensions", "rejoinToken"}
    assert {*data} == {"roomId", "peerId", "isTeacher", "rtpCapabilities"} | ours


def test_an_event() -> None:
    assert json.loads(encode_event(PeerLeft("ann", False))) == {
        "type": "peerLeft",
        "data": {"peerId": "ann", "wasTeacher": False},
    }


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (ClassroomError(Fault.ROOM_FULL), "Room is full", "room-full"),
        (SfuError("Already connected", "connected"), "Already connected", "connected"),
        (OrtcError("no codecs"), "no codecs", "invalid-rtp-parameters"),
        (InvalidMessage("join", 1), "Invalid message format", "invalid-message"),
        (KeyError("secret"), "Internal error", "internal"),
    ],
)
def test_errors(error: Exception, message: str, code: str) -> None:
    reply = error_reply(error, "join")
    assert json.loads(encode_reply(reply, None)) == {
        "type": "error",
        "data": {"message": message, "code": code, "request": "join"},
    }


def test_an_error_about_an_unknown_request() -> None:
    reply = error_reply(InvalidMessage(None, None), None)
    assert json.loads(encode_reply(reply, None))["data"] == {
        "message": "Invalid message format",
        "code": "invalid-message",
    }


def test_every_request_has_a_handler() -> None:
    assert {*HANDLERS} == {*get_args(AnyRequest)} - {Join, Leave}
