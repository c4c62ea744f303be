from __future__ import annotations

from collections.abc import Callable

import pytest

from sidecar.classroom.errors import ClassroomError, Fault
from sidecar.classroom.events import (
    ChatMessage,
    IceRestart,
    NewProducer,
    PeerJoined,
    PeerLeft,
    ProducerClosed,
    ProducerPaused,
    ProducerResumed,
    TransportClosed,
)
from sidecar.classroom.peer import Peer
from sidecar.classroom.snapshot import PeerSnapshot, RoomSnapshot, room_snapshot
from sidecar.limits import Limits
from sidecar.ortc.errors import OrtcError
from sidecar.ortc.parameters import IceParameters, RtpCapabilities
from sidecar.sfu import Producer, SfuError
from tests.unit.classroom.fakes import OPUS_ONLY, RTP_PARAMETERS, FakeProducer, Stage


def fake_producer(producer: Producer) -> FakeProducer:
    assert isinstance(producer, FakeProducer)
    return producer


def fault_of(action: Callable[[], object]) -> Fault:
    with pytest.raises(ClassroomError) as caught:
        action()
    return caught.value.fault


class TestPeople:
    def test_others_hear_of_a_newcomer(self) -> None:
        stage = Stage()
        stage.enter("teacher", is_teacher=True)
        stage.enter("ann")
        assert stage.take_told() == [("teacher", PeerJoined("ann", "Ann", False))]

    def test_one_teacher(self) -> None:
        stage = Stage()
        teacher = stage.enter("teacher", is_teacher=True)
        assert stage.room.conflict("second", True) == (teacher, Fault.TEACHER_EXISTS)
        assert fault_of(lambda: stage.enter("second", is_teacher=True)) is Fault.TEACHER_EXISTS

    def test_several_teachers_when_open(self) -> None:
        stage = Stage("open")
        stage.enter("teacher", is_teacher=True)
        stage.enter("second", is_teacher=True)
        assert [peer.id for peer in stage.room.peers] == ["teacher", "second"]

    def test_one_peer_of_a_name(self) -> None:
        stage = Stage()
        ann = stage.enter("ann")
        assert stage.room.conflict("ann", False) == (ann, Fault.PEER_EXISTS)
        assert fault_of(lambda: stage.enter("ann")) is Fault.PEER_EXISTS

    def test_a_teacher_of_the_same_name_is_foremost_a_teacher(self) -> None:
        stage = Stage()
        stage.enter("teacher", is_teacher=True)
        assert fault_of(lambda: stage.enter("teacher", is_teacher=True)) is Fault.TEACHER_EXISTS

    def test_nobody_is_in_the_way_of_a_student_with_a_name_of_their_own(self) -> None:
        stage = Stage()
        stage.enter("teacher", is_teacher=True)
        assert stage.room.conflict("ann", False) is None

    def test_full(self) -> None:
        stage = Stage(limits=Limits(max_clients_per_room=3))
        stage.enter("ann")
        bob = stage.enter("bob")
        assert fault_of(lambda: stage.enter("carl")) is Fault.ROOM_FULL
        stage.room.remove(bob)
        stage.enter("carl")

    def test_the_refused_are_not_announced(self) -> None:
        stage = Stage(limits=Limits(max_clients_per_room=2))
        stage.enter("ann")
        fault_of(lambda: stage.enter("bob"))
        assert stage.take_told() == []

    def test_students_leave_a_place_to_the_teacher(self) -> None:
        stage = Stage(limits=Limits(max_clients_per_room=3))
        stage.enter("ann")
        stage.enter("bob")
        stage.enter("teacher", is_teacher=True)
        assert fault_of(lambda: stage.enter("carl")) is Fault.ROOM_FULL
        assert len(stage.room.peers) == 3

    def test_a_teacher_who_leaves_keeps_the_place(self) -> None:
        stage = Stage(limits=Limits(max_clients_per_room=2))
        stage.room.remove(stage.enter("teacher", is_teacher=True))
        stage.enter("ann")
        assert fault_of(lambda: stage.enter("bob")) is Fault.ROOM_FULL
        stage.enter("teacher", is_teacher=True)

    def test_an_open_room_can_be_filled_by_anybody(self) -> None:
        stage = Stage("open", limits=Limits(max_clients_per_room=2))
        stage.enter("ann")
        stage.enter("bob")
        assert fault_of(lambda: stage.enter("carl")) is Fault.ROOM_FULL
        assert fault_of(lambda: stage.enter("dora", is_teacher=True)) is Fault.ROOM_FULL

    def test_but_never_against_a_proven_teacher(self) -> None:
        stage = Stage("open", limits=Limits(max_clients_per_room=2))
        stage.enter("ann")
        stage.enter("bob")
        stage.room.add(Peer("teacher", "Teacher", True, is_proven=True))
        assert fault_of(lambda: stage.enter("carl")) is Fault.ROOM_FULL

    def test_chat_goes_to_everybody_else(self) -> None:
        stage = Stage()
        teacher = stage.enter("teacher", is_teacher=True)
        stage.enter("ann")
        stage.enter("bob")
        stage.take_told()
        stage.room.chat(teacher, "xin chào", "2026-11-22T16:12:36.760Z")
        message = ChatMessage("teacher", "Teacher", "xin chào", "2026-11-22T16:12:36.760Z", True)
        assert stage.take_told() == [("ann", message), ("bob", message)]


class TestTransports:
    def test_gets_the_local_address(self) -> None:
        stage = Stage()
        ann = stage.enter("ann")
        transport = stage.room.create_transport(ann, "recv", "192.0.2.7")
        assert stage.router.transports[0].local_address == "192.0.2.7"
        assert ann.transport("recv") is transport

    def test_what_it_asks_of_others_is_counted_for_its_peer(self) -> None:
        stage = Stage()
        ann = stage.enter("ann")
        stage.room.create_transport(ann, "recv", None)
        stage.room.create_transport(ann, "recv", None)
        assert [each.owner for each in stage.router.transports] == ["ann", "ann"]

    def test_a_second_one_replaces_the_first(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        stage.enter("ann")
        stage.take_told()
        producer = stage.room.produce(teacher, "audio", RTP_PARAMETERS)
        first = stage.router.transports[0]
        second = stage.room.create_transport(teacher, "send", None)
        assert first.closed
        assert teacher.transport("send") is second
        assert teacher.producers == {}
        assert stage.take_told() == [
            ("ann", NewProducer(producer.id, "audio", "teacher")),
            ("ann", ProducerClosed(producer.id, "teacher")),
        ]

    def test_a_second_receive_transport_drops_the_consumers(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        ann = stage.connected("ann")
        producer = stage.room.produce(teacher, "audio", RTP_PARAMETERS)
        stage.room.consume(ann, producer.id, OPUS_ONLY)
        stage.room.create_transport(ann, "recv", None)
        assert ann.consumers == {}
        assert not producer.closed

    def test_the_first_stays_if_there_is_no_second(self) -> None:
        stage = Stage()
        ann = stage.enter("ann")
        first = stage.room.create_transport(ann, "recv", None)
        stage.router.create_error = SfuError("no", "no")
        with pytest.raises(SfuError):
            stage.room.create_transport(ann, "recv", None)
        assert ann.transport("recv") is first
        assert not first.closed

    def test_lost_send_transport(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        ann = stage.connected("ann")
        producer = stage.room.produce(teacher, "audio", RTP_PARAMETERS)
        stage.room.consume(ann, producer.id, OPUS_ONLY)
        stage.take_told()
        lost = stage.router.transports[0]
        lost.lose("ice-timeout")
        assert teacher.producers == {}
        assert ann.consumers == {}
        assert "send" not in teacher.transports
        assert "recv" in teacher.transports
        assert stage.take_told() == [
            ("ann", ProducerClosed(producer.id, "teacher")),
            ("teacher", TransportClosed("send", lost.id, "ice-timeout")),
        ]

    def test_lost_receive_transport(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        ann = stage.connected("ann")
        producer = stage.room.produce(teacher, "audio", RTP_PARAMETERS)
        stage.room.consume(ann, producer.id, OPUS_ONLY)
        stage.take_told()
        lost = stage.router.transports[3]
        lost.lose("dtls-closed")
        assert ann.consumers == {}
        assert list(teacher.producers) == [producer.id]
        assert stage.take_told() == [("ann", TransportClosed("recv", lost.id, "dtls-closed"))]

    def test_ids_make_an_offer_to_restart_ice_worth_while(self) -> None:
        stage = Stage()
        ann = stage.connected("ann")
        silent = stage.router.transports[1]
        assert silent.on_stale is not None
        silent.on_stale()
        assert stage.take_told() == []
        ann.uses_ids = True
        silent.on_stale()
        offer = IceRestart("recv", silent.id, IceParameters("ufrag2", "password2"))
        assert stage.take_told() == [("ann", offer)]

    def test_everybody_is_offered_a_restart_of_what_ever_worked(self) -> None:
        stage = Stage()
        for peer_id in ("ann", "bob", "cat"):
            stage.connected(peer_id).uses_ids = peer_id != "cat"
        for transport in stage.router.transports[1:]:
            transport.silence_ns = 0
        stage.take_told()
        stage.room.offer_ice_restarts()
        offered = [
            (who, event.direction)
            for who, event in stage.take_told()
            if isinstance(event, IceRestart)
        ]
        assert offered == [("ann", "recv"), ("bob", "send"), ("bob", "recv")]

    def test_a_transport_that_was_replaced_offers_nothing(self) -> None:
        stage = Stage()
        ann = stage.connected("ann")
        ann.uses_ids = True
        stage.room.create_transport(ann, "recv", None)
        assert stage.router.transports[1].on_stale is None

    def test_a_peer_is_as_silent_as_its_liveliest_transport(self) -> None:
        stage = Stage()
        ann = stage.connected("ann")
        send, recv = stage.router.transports
        assert ann.silence_ns is None
        recv.silence_ns = 7
        assert ann.silence_ns == 7
        send.silence_ns = 0
        assert ann.silence_ns == 0


class TestProducing:
    def test_students_hear_of_the_teacher_and_the_teacher_of_them(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        ann = stage.connected("ann")
        stage.enter("bob")
        stage.take_told()
        video = stage.room.produce(teacher, "video", RTP_PARAMETERS)
        audio = stage.room.produce(ann, "audio", RTP_PARAMETERS)
        assert stage.take_told() == [
            ("ann", NewProducer(video.id, "video", "teacher")),
            ("bob", NewProducer(video.id, "video", "teacher")),
            ("teacher", NewProducer(audio.id, "audio", "ann")),
        ]

    def test_against_the_rules(self) -> None:
        stage = Stage()
        ann = stage.connected("ann")
        fault = fault_of(lambda: stage.room.produce(ann, "video", RTP_PARAMETERS))
        assert fault is Fault.VIDEO_IS_THE_TEACHERS

    def test_needs_a_send_transport(self) -> None:
        stage = Stage()
        ann = stage.enter("ann")
        stage.room.create_transport(ann, "recv", None)
        fault = fault_of(lambda: stage.room.produce(ann, "audio", RTP_PARAMETERS))
        assert fault is Fault.SEND_TRANSPORT_NOT_FOUND

    def test_what_the_transport_refuses_is_not_announced(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        stage.enter("ann")
        stage.take_told()
        stage.router.produce_error = OrtcError("no codecs")
        with pytest.raises(OrtcError):
            stage.room.produce(teacher, "audio", RTP_PARAMETERS)
        assert stage.take_told() == []
        assert stage.room.producers(teacher) == []

    def test_listing(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        ann = stage.connected("ann")
        bob = stage.connected("bob")
        video = stage.room.produce(teacher, "video", RTP_PARAMETERS)
        audio = stage.room.produce(ann, "audio", RTP_PARAMETERS)

        def listed(peer: Peer) -> list[str]:
            return [each.producer.id for each in stage.room.producers(peer)]

        assert listed(teacher) == [video.id, audio.id]
        assert listed(ann) == [video.id]
        assert listed(bob) == [video.id]

    def test_live_ones_are_listed_first(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        ann = stage.enter("ann")
        streams = [stage.room.produce(teacher, "video", RTP_PARAMETERS) for _ in range(4)]
        first, second, third, fourth = (each.id for each in streams)
        streams[0].silent = streams[2].silent = True
        listed = [each.producer.id for each in stage.room.producers(ann)]
        assert listed == [second, fourth, first, third]

    def test_a_new_one_may_be_in_the_place_of_an_earlier_one_of_its_kind(self) -> None:
        stage = Stage("open")
        teacher = stage.connected("teacher", is_teacher=True)
        others = stage.room.produce(stage.connected("ann"), "video", RTP_PARAMETERS)
        sound = stage.room.produce(teacher, "audio", RTP_PARAMETERS)
        old = stage.room.produce(teacher, "video", RTP_PARAMETERS)
        new = stage.room.produce(teacher, "video", RTP_PARAMETERS)
        assert old.superseded
        assert not any(each.superseded for each in (others, sound, new))

    def test_one_that_is_refused_takes_no_place(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        old = stage.room.produce(teacher, "video", RTP_PARAMETERS)
        stage.router.produce_error = OrtcError("no codecs")
        with pytest.raises(OrtcError):
            stage.room.produce(teacher, "video", RTP_PARAMETERS)
        assert not old.superseded

    def test_one_that_its_sender_has_dropped_is_closed_for_all_who_knew(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        ann = stage.connected("ann")
        producer = stage.room.produce(teacher, "video", RTP_PARAMETERS)
        stage.room.consume(ann, producer.id, OPUS_ONLY)
        stage.take_told()
        fake_producer(producer).give_up()
        assert stage.take_told() == [("ann", ProducerClosed(producer.id, "teacher"))]
        assert stage.room.producers(ann) == []
        assert not teacher.producers
        assert not ann.consumers

    def test_not_many_that_are_idle_are_kept(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        stage.enter("ann")
        paused = stage.room.produce(teacher, "video", RTP_PARAMETERS)
        stage.room.pause_producer(teacher, paused.id)
        streams = [stage.room.produce(teacher, "video", RTP_PARAMETERS) for _ in range(4)]
        for each in (paused, *streams):
            each.silent = True
        stage.take_told()
        new = stage.room.produce(teacher, "video", RTP_PARAMETERS)
        assert list(teacher.producers.values()) == [paused, *streams[2:], new]
        assert stage.take_told() == [
            ("ann", ProducerClosed(streams[0].id, "teacher")),
            ("ann", ProducerClosed(streams[1].id, "teacher")),
            ("ann", NewProducer(new.id, "video", "teacher")),
        ]

    def test_closing_tells_whoever_knew(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        stage.connected("told")
        producer = stage.room.produce(teacher, "audio", RTP_PARAMETERS)
        asked = stage.connected("asked")
        consumes = stage.connected("consumes")
        stage.connected("ignorant")
        stage.room.producers(asked)
        stage.room.producers(teacher)
        consumer = stage.room.consume(consumes, producer.id, OPUS_ONLY)
        stage.take_told()
        stage.room.close_producer(teacher, producer.id)
        event = ProducerClosed(producer.id, "teacher")
        assert stage.take_told() == [(each, event) for each in ("told", "asked", "consumes")]
        assert producer.closed
        assert consumer.closed
        assert consumes.consumers == {}
        assert stage.room.producers(asked) == []

    def test_pausing_and_resuming_tells_whoever_knew_and_only_once(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        stage.enter("ann")
        producer = stage.room.produce(teacher, "audio", RTP_PARAMETERS)
        stage.take_told()
        stage.room.pause_producer(teacher, producer.id)
        stage.room.pause_producer(teacher, producer.id)
        assert stage.take_told() == [("ann", ProducerPaused(producer.id, "teacher"))]
        stage.room.resume_producer(teacher, producer.id)
        stage.room.resume_producer(teacher, producer.id)
        assert stage.take_told() == [("ann", ProducerResumed(producer.id, "teacher"))]

    @pytest.mark.parametrize("action", ["close_producer", "pause_producer", "resume_producer"])
    def test_hands_off_the_producers_of_others(self, action: str) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        ann = stage.connected("ann")
        producer = stage.room.produce(teacher, "audio", RTP_PARAMETERS)
        fault = fault_of(lambda: getattr(stage.room, action)(ann, producer.id))
        assert fault is Fault.PRODUCER_NOT_FOUND


class TestConsuming:
    def test_starts_paused(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        ann = stage.connected("ann")
        producer = stage.room.produce(teacher, "video", RTP_PARAMETERS)
        consumer = stage.room.consume(ann, producer.id, OPUS_ONLY)
        assert ann.consumer(consumer.id) is consumer
        assert consumer.paused

    def test_no_such_producer(self) -> None:
        stage = Stage()
        ann = stage.connected("ann")
        fault = fault_of(lambda: stage.room.consume(ann, "none", OPUS_ONLY))
        assert fault is Fault.PRODUCER_NOT_FOUND

    def test_against_the_rules(self) -> None:
        stage = Stage()
        ann = stage.connected("ann")
        bob = stage.connected("bob")
        producer = stage.room.produce(ann, "audio", RTP_PARAMETERS)
        fault = fault_of(lambda: stage.room.consume(bob, producer.id, OPUS_ONLY))
        assert fault is Fault.NOT_FROM_TEACHER

    def test_needs_a_receive_transport(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        ann = stage.enter("ann")
        stage.room.create_transport(ann, "send", None)
        producer = stage.room.produce(teacher, "audio", RTP_PARAMETERS)
        fault = fault_of(lambda: stage.room.consume(ann, producer.id, OPUS_ONLY))
        assert fault is Fault.RECV_TRANSPORT_NOT_FOUND

    def test_nothing_in_common(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        ann = stage.connected("ann")
        producer = stage.room.produce(teacher, "audio", RTP_PARAMETERS)
        fault = fault_of(lambda: stage.room.consume(ann, producer.id, RtpCapabilities()))
        assert fault is Fault.CANNOT_CONSUME

    def test_closing(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        ann = stage.connected("ann")
        producer = stage.room.produce(teacher, "audio", RTP_PARAMETERS)
        consumer = stage.room.consume(ann, producer.id, OPUS_ONLY)
        stage.room.close_consumer(ann, consumer.id)
        assert consumer.closed
        fault = fault_of(lambda: stage.room.close_consumer(ann, consumer.id))
        assert fault is Fault.CONSUMER_NOT_FOUND


class TestLeaving:
    def test_streams_end_before_the_peer_does(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        ann = stage.connected("ann")
        audio = stage.room.produce(teacher, "audio", RTP_PARAMETERS)
        video = stage.room.produce(teacher, "video", RTP_PARAMETERS)
        stage.room.consume(ann, video.id, OPUS_ONLY)
        stage.take_told()
        stage.room.remove(teacher)
        assert stage.take_told() == [
            ("ann", ProducerClosed(audio.id, "teacher")),
            ("ann", ProducerClosed(video.id, "teacher")),
            ("ann", PeerLeft("teacher", True)),
        ]
        assert [each.closed for each in stage.router.transports] == [True, True, False, False]
        assert stage.room.peers == (ann,)
        assert ann.consumers == {}

    def test_who_left_is_told_nothing_any_more(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        ann = stage.connected("ann")
        producer = stage.room.produce(teacher, "audio", RTP_PARAMETERS)
        stage.room.consume(ann, producer.id, OPUS_ONLY)
        stage.room.remove(ann)
        stage.take_told()
        stage.room.close_producer(teacher, producer.id)
        assert stage.take_told() == []

    def test_a_stream_does_not_remember_who_left(self) -> None:
        stage = Stage()
        teacher = stage.connected("teacher", is_teacher=True)
        ann = stage.enter("ann")
        stage.room.produce(teacher, "audio", RTP_PARAMETERS)
        [publication] = stage.room.producers(teacher)
        assert ann in publication.audience
        stage.room.remove(ann)
        assert ann not in publication.audience

    def test_a_transport_that_the_owner_closed_is_not_reported_lost(self) -> None:
        stage = Stage()
        ann = stage.connected("ann")
        stage.enter("bob")
        stage.room.remove(ann)
        stage.take_told()
        stage.router.transports[0].lose("ice-timeout")
        assert stage.take_told() == []

    def test_closing_the_room_closes_its_router(self) -> None:
        stage = Stage()
        stage.room.remove(stage.enter("ann"))
        stage.room.close()
        assert stage.router.closed


def test_snapshot() -> None:
    stage = Stage()
    ann = stage.enter("ann")
    transport = stage.room.create_transport(ann, "recv", None)
    assert room_snapshot(stage.room) == RoomSnapshot(
        "room", (PeerSnapshot("ann", "Ann", False, {"recv": transport.stats()}),)
    )


class TestLimits:
    def test_streams_that_one_peer_sends(self) -> None:
        stage = Stage("open", Limits(max_producers_per_peer=2))
        ann, ben = stage.connected("ann"), stage.connected("ben")
        first = stage.room.produce(ann, "audio", RTP_PARAMETERS)
        stage.room.produce(ann, "video", RTP_PARAMETERS)
        with pytest.raises(ClassroomError) as refused:
            stage.room.produce(ann, "audio", RTP_PARAMETERS)
        assert refused.value.fault is Fault.TOO_MANY_PRODUCERS
        stage.room.produce(ben, "audio", RTP_PARAMETERS)
        stage.room.close_producer(ann, first.id)
        stage.room.produce(ann, "audio", RTP_PARAMETERS)

    def test_streams_that_all_send(self) -> None:
        stage = Stage("open", Limits(max_producers=2))
        ann, teacher = stage.connected("ann"), stage.connected("teacher", is_teacher=True)
        for _ in range(2):
            stage.room.produce(ann, "audio", RTP_PARAMETERS)
        for peer in (ann, teacher):
            with pytest.raises(ClassroomError) as refused:
                stage.room.produce(peer, "audio", RTP_PARAMETERS)
            assert refused.value.fault is Fault.TOO_MANY_PRODUCERS
        teacher.is_proven = True
        stage.room.produce(teacher, "video", RTP_PARAMETERS)
        stage.room.remove(ann)
        stage.room.produce(stage.connected("ben"), "audio", RTP_PARAMETERS)

    def test_streams_that_one_peer_receives(self) -> None:
        stage = Stage("open", Limits(max_consumers_per_peer=2))
        ann, ben = stage.connected("ann"), stage.connected("ben")
        sent = [stage.room.produce(ann, "audio", RTP_PARAMETERS).id for _ in range(3)]
        for producer_id in sent[:2]:
            stage.room.consume(ben, producer_id, OPUS_ONLY)
        with pytest.raises(ClassroomError) as refused:
            stage.room.consume(ben, sent[2], OPUS_ONLY)
        assert refused.value.fault is Fault.TOO_MANY_CONSUMERS
        stage.room.consume(ben, sent[1], OPUS_ONLY)
        stage.room.close_producer(ann, sent[0])
        stage.room.consume(ben, sent[2], OPUS_ONLY)

    def test_streams_that_all_receive(self) -> None:
        stage = Stage("open", Limits(max_consumers=1))
        ann, ben = stage.connected("ann"), stage.connected("ben")
        teacher = stage.connected("teacher", is_teacher=True)
        sent = stage.room.produce(teacher, "audio", RTP_PARAMETERS).id
        stage.room.consume(ann, sent, OPUS_ONLY)
        with pytest.raises(ClassroomError) as refused:
            stage.room.consume(ben, sent, OPUS_ONLY)
        assert refused.value.fault is Fault.TOO_MANY_CONSUMERS
        ben.is_proven = True
        stage.room.consume(ben, sent, OPUS_ONLY)

    def test_one_stream_is_received_once(self) -> None:
        stage = Stage()
        teacher, student = stage.connected("t", is_teacher=True), stage.connected("s")
        sent = stage.room.produce(teacher, "video", RTP_PARAMETERS).id
        consumers = [stage.room.consume(student, sent, OPUS_ONLY) for _ in range(300)]
        assert [each.closed for each in consumers] == [True] * 299 + [False]
        assert list(student.consumers) == [consumers[-1].id]
        with pytest.raises(ClassroomError):
            stage.room.consume(student, sent, RtpCapabilities(codecs=()))
        assert not consumers[-1].closed
