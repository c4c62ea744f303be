"""Everything a room can refuse, in the words that clients show to people."""

from __future__ import annotations

from enum import Enum


class Fault(Enum):
    """A reason for refusing a request.

    Attributes:
        message: For people; existing frontends show these words, so they don't change.
        code: For programs: kebab-case, stable.
    """

    NOT_JOINED = ("Not joined", "not-joined")
    ALREADY_JOINED = ("Already joined", "already-joined")
    INVALID_ID = ("Room and peer ids must not have invisible characters", "invalid-id")
    PEER_EXISTS = ("Peer already in room", "peer-exists")
    TEACHER_EXISTS = ("Room already has a teacher", "teacher-exists")
    TEACHER_NOT_ALLOWED = (
        "Only the teacher's computer may join as teacher",
        "teacher-not-allowed",
    )
    PIN_REQUIRED = ("This class needs a PIN", "pin-required")
    WRONG_PIN = ("Wrong PIN", "wrong-pin")
    TOO_MANY_PIN_TRIES = ("Too many wrong PINs", "too-many-pin-tries")
    ROOM_FULL = ("Room is full", "room-full")
    TOO_MANY_ROOMS = ("There are too many rooms", "too-many-rooms")
    TOO_MANY_PRODUCERS = ("Too many streams are sent", "too-many-producers")
    TOO_MANY_CONSUMERS = ("Too many streams are received", "too-many-consumers")
    SERVER_FULL = ("Server is full", "server-full")
    TOO_MANY_MESSAGES = ("Too many messages", "too-many-messages")
    TOO_MANY_CHAT_MESSAGES = ("Too many chat messages", "too-many-chat-messages")
    TOO_MANY_CHANGES = ("Too many requests, wait some seconds", "too-many-changes")
    VIDEO_IS_THE_TEACHERS = ("Only teacher can share screen", "video-not-allowed")
    NOT_FROM_TEACHER = ("Students can only consume from teacher", "not-from-teacher")
    OWN_PRODUCER = ("Teacher cannot consume from self", "own-producer")
    NOT_AUDIO = ("Teacher can only consume audio from students", "not-audio")
    CANNOT_CONSUME = ("Cannot consume", "cannot-consume")
    PRODUCER_NOT_FOUND = ("Producer not found", "producer-not-found")
    CONSUMER_NOT_FOUND = ("Consumer not found", "consumer-not-found")
    TRANSPORT_NOT_FOUND = ("Transport not found", "transport-not-found")
    SEND_TRANSPORT_NOT_FOUND = ("Send transport not found", "send-transport-not-found")
    RECV_TRANSPORT_NOT_FOUND = ("Recv transport not found", "recv-transport-not-found")

    def __init__(self, message: str, code: str) -> None:
        self.message = message
        self.code = code


class ClassroomError(Exception):
    """A request that the room refuses.

    Attributes:
        fault: Why.
        message: For people.
        retry_after_s: When it may succeed, in seconds; None if that is not a matter of time.
    """

    def __init__(self, fault: Fault, retry_after_s: int | None = None) -> None:
        waiting = "" if retry_after_s is None else f", try again in {retry_after_s} s"
        self.message = fault.message + waiting
        super().__init__(self.message)
        self.fault = fault
        self.retry_after_s = retry_after_s
