"""Which stream of a transport an SSRC belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from sidecar.ortc.parameters import RtpHeaderExtensionParameters
from sidecar.rtp.header_extensions import MID_URI, TRANSPORT_CC_URI, parse_extensions
from sidecar.rtp.packet import RtpPacket
from sidecar.sfu.errors import SfuError
from sidecar.sfu.extension_reader import ExtensionReader

if TYPE_CHECKING:
    from sidecar.engine.budget import Budget
    from sidecar.sfu.consumer import Consumer
    from sidecar.sfu.producer import Producer

_NO_ID: Final = -1


class Source:
    """A producer as its packets are recognised.

    Attributes:
        producer: Whose packets they are.
        budget: In bytes, what it may send; None if only its transport is limited.
        extensions: Reads the packets' header extensions.
        mid_id: The peer's id of MID, or -1.
        mid: The peer's name of the media section.
    """

    __slots__ = ("budget", "extensions", "mid", "mid_id", "producer")

    def __init__(self, producer: Producer, budget: Budget | None) -> None:
        parameters = producer.rtp_parameters
        self.producer = producer
        self.budget = budget
        self.mid = parameters.mid.encode() if parameters.mid else None
        self.mid_id = _extension_id(parameters.header_extensions, MID_URI)
        self.extensions = ExtensionReader(
            producer.stream.extension_ids,
            _extension_id(parameters.header_extensions, TRANSPORT_CC_URI),
        )

    def recognises(self, packet: RtpPacket, elements: Mapping[int, bytes]) -> bool:
        """Whether a packet of unknown SSRC is of this producer, by its MID (RFC 8843)."""
        return (
            self.mid is not None
            and elements.get(self.mid_id) == self.mid
            and self.producer.stream.accepts(packet.payload_type)
        )


class StreamTable:
    """The SSRCs of one transport.

    SSRCs that were not signalled are learnt from the MID in the packets, and only then: an
    unknown stream is never guessed to be somebody's.

    Attributes:
        known_source: The source that has an SSRC, or None. Whoever asks goes on to `learn`.
    """

    def __init__(self) -> None:
        self._sources: dict[str, Source] = {}
        self._source_by_ssrc: dict[int, Source] = {}
        self.known_source = self._source_by_ssrc.get
        self._consumer_by_ssrc: dict[int, Consumer] = {}
        self._spent_ssrcs: set[int] = set()

    def __len__(self) -> int:
        """How many SSRCs there are."""
        return len(self._source_by_ssrc) + len(self._consumer_by_ssrc)

    def add_producer(self, producer: Producer, budget: Budget | None = None) -> None:
        """Takes a producer in.

        Args:
            producer: Whose SSRCs or MID are known.
            budget: In bytes, what it may send; None if only its transport is limited.

        Raises:
            SfuError: Another one has its SSRC or its MID.
        """
        source = Source(producer, budget)
        ssrcs = _ssrcs(producer)
        if any(ssrc in self._source_by_ssrc for ssrc in ssrcs) or len(set(ssrcs)) < len(ssrcs):
            raise SfuError("SSRC already in use", "ssrc-in-use")
        if source.mid is not None and any(
            source.mid == other.mid for other in self._sources.values()
        ):
            raise SfuError("MID already in use", "mid-in-use")
        self._sources[producer.id] = source
        for ssrc in ssrcs:
            self._source_by_ssrc[ssrc] = source

    def remove_producer(self, producer: Producer) -> None:
        """Drops a producer."""
        del self._sources[producer.id]
        for ssrc in _ssrcs(producer):
            del self._source_by_ssrc[ssrc]

    def add_consumer(self, consumer: Consumer) -> None:
        """Takes a consumer in."""
        for ssrc in _consumer_ssrcs(consumer):
            self._consumer_by_ssrc[ssrc] = consumer
            self._spent_ssrcs.add(ssrc)

    def remove_consumer(self, consumer: Consumer) -> None:
        """Drops a consumer."""
        for ssrc in _consumer_ssrcs(consumer):
            del self._consumer_by_ssrc[ssrc]

    def find_producer(self, ssrc: int) -> Producer | None:
        """The producer that has this SSRC, or None."""
        source = self._source_by_ssrc.get(ssrc)
        return source.producer if source is not None else None

    def find_consumer(self, ssrc: int) -> Consumer | None:
        """The consumer that has this SSRC, or None."""
        return self._consumer_by_ssrc.get(ssrc)

    def is_sent(self, ssrc: int) -> bool:
        """Whether a consumer has this SSRC."""
        return ssrc in self._consumer_by_ssrc

    def is_spent(self, ssrc: int) -> bool:
        """Whether a consumer has this SSRC or had it.

        A second one under the same keys could use a sequence number again, and with it the
        cipher's nonce (RFC 7714 section 8.4).
        """
        return ssrc in self._spent_ssrcs

    def any_source_ssrc(self) -> int:
        """An SSRC that the peer sends, 0 if it sends nothing: for transport-wide feedback."""
        return next(iter(self._source_by_ssrc), 0)

    def forget_learnt(self, ssrc: int) -> None:
        """Forgets an SSRC that its sender has ended, unless it was signalled."""
        source = self._source_by_ssrc.get(ssrc)
        if source is None:
            return
        encoding = source.producer.rtp_parameters.encodings[0]
        stream = source.producer.stream
        if ssrc == stream.ssrc and encoding.ssrc is None:
            stream.ssrc = None
        elif ssrc == stream.rtx_ssrc and encoding.rtx is None:
            stream.rtx_ssrc = None
        else:
            return
        del self._source_by_ssrc[ssrc]

    def learn(self, packet: RtpPacket) -> Source | None:
        """The source that a packet of unknown SSRC is of, or None.

        Raises:
            RtpError: Its header extension is malformed.
        """
        elements = dict(parse_extensions(packet))
        for source in self._sources.values():
            if not source.recognises(packet, elements):
                continue
            stream = source.producer.stream
            if stream.is_media(packet.payload_type):
                if stream.ssrc is not None:
                    continue
                stream.ssrc = packet.ssrc
                stream.expect_new_sequence()
            else:
                if stream.rtx_ssrc is not None:
                    continue
                stream.rtx_ssrc = packet.ssrc
            self._source_by_ssrc[packet.ssrc] = source
            return source
        return None


def _extension_id(extensions: tuple[RtpHeaderExtensionParameters, ...], uri: str) -> int:
    return next((each.id for each in extensions if each.uri == uri), _NO_ID)


def _ssrcs(producer: Producer) -> list[int]:
    stream = producer.stream
    return [ssrc for ssrc in (stream.ssrc, stream.rtx_ssrc) if ssrc is not None]


def _consumer_ssrcs(consumer: Consumer) -> list[int]:
    stream = consumer.stream
    return [ssrc for ssrc in (stream.ssrc, stream.rtx_ssrc) if ssrc is not None]
