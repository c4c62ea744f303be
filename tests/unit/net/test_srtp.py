"""SRTP: libsrtp's own vectors, an independent AES-GCM, and what is refused."""

from __future__ import annotations

from typing import NamedTuple

import pylibsrtp
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sidecar.net import srtp as srtp_module
from sidecar.net.errors import SrtpError, SrtpKeyUsedUpError
from sidecar.net.limits import MAX_RTP_BYTES
from sidecar.net.srtp import (
    PROFILES,
    REPLAY_WINDOW_PACKETS,
    SENDER_WINDOW_PACKETS,
    SrtpProfile,
    SrtpSession,
)
from sidecar.sfu.forwarding import MAX_LATE_PACKETS
from tests.unit.net.support import protect_all, protect_rtp

AES_256_GCM, AES_128_GCM, AES_CM = PROFILES

every_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)


def make_session(profile: SrtpProfile, *, is_dtls_client: bool) -> SrtpSession:
    """One side; the other one fits to it."""
    material = bytes(index * 7 & 0xFF for index in range(profile.keying_material_bytes))
    return SrtpSession(profile, material, is_dtls_client=is_dtls_client)


def make_pair(profile: SrtpProfile) -> tuple[SrtpSession, SrtpSession]:
    """The client's and the server's."""
    return (
        make_session(profile, is_dtls_client=True),
        make_session(profile, is_dtls_client=False),
    )


def session_from_master_key(profile: SrtpProfile, master: bytes, *, sends: bool) -> SrtpSession:
    """A session that uses one master key and salt in the direction that is looked at."""
    key, salt = master[: profile.key_bytes], master[profile.key_bytes :]
    other_key, other_salt = bytes(profile.key_bytes), bytes(profile.salt_bytes)
    return SrtpSession(profile, key + other_key + salt + other_salt, is_dtls_client=sends)


def rtp_packet(sequence_number: int, payload: bytes = b"payload") -> bytes:
    header = bytes([0x80, 96]) + (sequence_number & 0xFFFF).to_bytes(2, "big")
    return header + bytes(4) + b"ssrc" + payload


RTCP_PACKET = bytes.fromhex("80c90001") + b"ssrc"


class Vector(NamedTuple):
    profile: SrtpProfile
    master: str
    rtp: str
    srtp: str
    rtcp: str
    srtcp: str


LIBSRTP_VECTORS = [
    Vector(
        AES_CM,
        master="e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6",
        rtp="800f1234decafbadcafebabeabababababababababababababababab",
        srtp=("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"),
        rtcp="81c8000bcafebabeabababababababababababababababab",
        srtcp="81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798",
    ),
    Vector(
        AES_128_GCM,
        master="000102030405060708090a0b0c0d0e0fa0a1a2a3a4a5a6a7a8a9aaab",
        rtp="800f1234decafbadcafebabeabababababababababababababababab",
        srtp=(
            "800f1234decafbadcafebabec5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a1"
            "27e8a392"
        ),
        rtcp="81c8000bcafebabeabababababababababababababababab",
        srtcp=(
            "81c8000bcafebabec98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e"
            "80000001"
        ),
    ),
]
"""From libsrtp's test driver."""

every_vector = pytest.mark.parametrize(
    "vector", LIBSRTP_VECTORS, ids=lambda vector: vector.profile.name
)


@every_vector
def test_what_is_sent_is_what_libsrtp_says(vector: Vector) -> None:
    master = bytes.fromhex(vector.master)
    session = session_from_master_key(vector.profile, master, sends=True)
    assert protect_rtp(session, bytes.fromhex(vector.rtp)).hex() == vector.srtp
    assert session.protect_rtcp(bytes.fromhex(vector.rtcp)).hex() == vector.srtcp


@every_vector
def test_what_libsrtp_says_is_understood(vector: Vector) -> None:
    master = bytes.fromhex(vector.master)
    session = session_from_master_key(vector.profile, master, sends=False)
    assert session.unprotect_rtp(bytes.fromhex(vector.srtp)).hex() == vector.rtp
    assert session.unprotect_rtcp(bytes.fromhex(vector.srtcp)).hex() == vector.rtcp


GALLIA_EST_OMNIS_DIVISA = bytes.fromhex(
    "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e697320646976"
    "69736120696e207061727465732074726573"
)
QUID_PRO_QUO = b"Quid pro quo"
RFC_7714_VECTORS = [
    pytest.param(
        AES_128_GCM,
        "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
        "899d7f27beb16a9152cf765ee4390cce",
        id="section 16.1.1",
    ),
    pytest.param(
        AES_256_GCM,
        "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b"
        "7aa3db36dfffd6b0f9bb7878d7a76c13",
        id="section 16.2.1",
    ),
]


def seal_rtp(packet: bytes, session_key: bytes, session_salt: bytes) -> bytes:
    """AES-GCM as RFC 7714 section 8 applies it to a packet before the first roll-over."""
    nonce = bytes(2) + packet[8:12] + bytes(4) + packet[2:4]
    nonce = bytes(left ^ right for left, right in zip(nonce, session_salt, strict=True))
    return packet[:12] + AESGCM(session_key).encrypt(nonce, packet[12:], packet[:12])


def derive(master_key: bytes, master_salt: bytes, label: int, length: int) -> bytes:
    """The key derivation of RFC 3711 section 4.3, with the salt of RFC 7714 section 11."""
    start = bytearray(master_salt.ljust(16, b"\0"))
    start[7] ^= label
    keystream = Cipher(algorithms.AES(master_key), modes.CTR(bytes(start))).encryptor()
    return keystream.update(bytes(length))


@pytest.mark.parametrize(("profile", "sealed"), RFC_7714_VECTORS)
def test_the_aes_gcm_of_these_tests_agrees_with_rfc_7714(profile: SrtpProfile, sealed: str) -> None:
    session_key = bytes(range(profile.key_bytes))
    packet = seal_rtp(GALLIA_EST_OMNIS_DIVISA, session_key, QUID_PRO_QUO)
    assert packet[12:].hex() == sealed


@pytest.mark.parametrize("profile", [AES_128_GCM, AES_256_GCM], ids=lambda profile: profile.name)
def test_aes_gcm_is_what_rfc_7714_says(profile: SrtpProfile) -> None:
    """The RFC's vectors are of session keys; ours are derived from master keys first."""
    key, salt = bytes(range(100, 100 + profile.key_bytes)), QUID_PRO_QUO
    sealed = seal_rtp(
        GALLIA_EST_OMNIS_DIVISA, derive(key, salt, 0, profile.key_bytes), derive(key, salt, 2, 12)
    )
    sender = session_from_master_key(profile, key + salt, sends=True)
    assert protect_rtp(sender, GALLIA_EST_OMNIS_DIVISA) == sealed
    receiver = session_from_master_key(profile, key + salt, sends=False)
    assert receiver.unprotect_rtp(sealed) == GALLIA_EST_OMNIS_DIVISA


def test_the_profiles_have_the_key_lengths_of_their_rfcs() -> None:
    assert [(each.name, each.key_bytes, each.salt_bytes) for each in PROFILES] == [
        ("SRTP_AEAD_AES_256_GCM", 32, 12),
        ("SRTP_AEAD_AES_128_GCM", 16, 12),
        ("SRTP_AES128_CM_SHA1_80", 16, 14),
    ]
    assert [each.keying_material_bytes for each in PROFILES] == [88, 56, 60]


@every_profile
def test_each_side_understands_the_other(profile: SrtpProfile) -> None:
    client, server = make_pair(profile)
    for sender, receiver in ((client, server), (server, client)):
        protected = protect_rtp(sender, rtp_packet(1))
        assert rtp_packet(1, b"")[:12] == protected[:12]
        assert b"payload" not in protected
        assert receiver.unprotect_rtp(protected) == rtp_packet(1)
        protected = sender.protect_rtcp(RTCP_PACKET)
        assert protected[:8] == RTCP_PACKET
        assert receiver.unprotect_rtcp(protected) == RTCP_PACKET


@every_profile
def test_nobody_understands_himself(profile: SrtpProfile) -> None:
    for session in make_pair(profile):
        with pytest.raises(SrtpError):
            session.unprotect_rtp(protect_rtp(session, rtp_packet(1)))
        with pytest.raises(SrtpError):
            session.unprotect_rtcp(session.protect_rtcp(RTCP_PACKET))


@every_profile
def test_a_replayed_packet_is_refused(profile: SrtpProfile) -> None:
    client, server = make_pair(profile)
    rtp, rtcp = protect_rtp(client, rtp_packet(1)), client.protect_rtcp(RTCP_PACKET)
    server.unprotect_rtp(rtp)
    server.unprotect_rtcp(rtcp)
    with pytest.raises(SrtpError, match="replay"):
        server.unprotect_rtp(rtp)
    with pytest.raises(SrtpError, match="replay"):
        server.unprotect_rtcp(rtcp)


@every_profile
def test_a_late_packet_is_taken_within_the_window_only(profile: SrtpProfile) -> None:
    client, server = make_pair(profile)
    packets = [
        protect_rtp(client, rtp_packet(1000 + index)) for index in range(REPLAY_WINDOW_PACKETS + 1)
    ]
    server.unprotect_rtp(packets[-1])
    assert server.unprotect_rtp(packets[1]) == rtp_packet(1001)
    with pytest.raises(SrtpError, match="replay"):
        server.unprotect_rtp(packets[0])


@every_profile
def test_a_packet_may_be_sent_again(profile: SrtpProfile) -> None:
    """Plain retransmission, without RTX."""
    client, server = make_pair(profile)
    first = protect_rtp(client, rtp_packet(1))
    protect_rtp(client, rtp_packet(2))
    again = protect_rtp(client, rtp_packet(1))
    assert again == first
    assert server.unprotect_rtp(again) == rtp_packet(1)


@every_profile
def test_a_packet_is_sent_late_or_again_within_the_senders_window(profile: SrtpProfile) -> None:
    client, server = make_pair(profile)
    protect_rtp(client, rtp_packet(1000 + SENDER_WINDOW_PACKETS))
    assert server.unprotect_rtp(protect_rtp(client, rtp_packet(1001))) == rtp_packet(1001)
    with pytest.raises(SrtpError):
        protect_rtp(client, rtp_packet(1000))


def test_the_senders_window_is_what_the_media_layer_counts_on() -> None:
    assert SENDER_WINDOW_PACKETS == MAX_LATE_PACKETS


@every_profile
def test_sequence_numbers_may_wrap_around(profile: SrtpProfile) -> None:
    client, server = make_pair(profile)
    for number in range(65530, 65542):
        assert server.unprotect_rtp(protect_rtp(client, rtp_packet(number))) == rtp_packet(number)


@every_profile
def test_no_changed_byte_passes(profile: SrtpProfile) -> None:
    client, server = make_pair(profile)
    rtp, rtcp = protect_rtp(client, rtp_packet(1)), client.protect_rtcp(RTCP_PACKET)
    for packet, unprotect in ((rtp, server.unprotect_rtp), (rtcp, server.unprotect_rtcp)):
        for position in range(len(packet)):
            changed = bytearray(packet)
            changed[position] ^= 0x01
            with pytest.raises(SrtpError):
                unprotect(bytes(changed))
        unprotect(packet)


@every_profile
def test_no_cut_off_packet_passes(profile: SrtpProfile) -> None:
    client, server = make_pair(profile)
    rtp, rtcp = protect_rtp(client, rtp_packet(1)), client.protect_rtcp(RTCP_PACKET)
    for packet, unprotect in ((rtp, server.unprotect_rtp), (rtcp, server.unprotect_rtcp)):
        for length in range(len(packet)):
            with pytest.raises(SrtpError):
                unprotect(packet[:length])


@every_profile
def test_a_packet_that_is_too_long_is_refused_and_spoils_nothing(profile: SrtpProfile) -> None:
    client, server = make_pair(profile)
    with pytest.raises(SrtpError):
        client.protect_rtcp(RTCP_PACKET + bytes(1400))
    with pytest.raises(SrtpError):
        server.unprotect_rtp(bytes([0x80]) + bytes(2047))
    with pytest.raises(SrtpError):
        server.unprotect_rtcp(bytes([0x80]) + bytes(2047))
    assert server.unprotect_rtp(protect_rtp(client, rtp_packet(1))) == rtp_packet(1)


@every_profile
def test_every_packet_of_the_usual_size_has_room(profile: SrtpProfile) -> None:
    client, server = make_pair(profile)
    packet = rtp_packet(1, bytes(1300))
    assert server.unprotect_rtp(protect_rtp(client, packet)) == packet


@every_profile
def test_what_is_no_packet_cannot_be_protected(profile: SrtpProfile) -> None:
    session = make_session(profile, is_dtls_client=True)
    for nonsense in (b"", b"\x80", bytes([0x80]) + bytes(6)):
        with pytest.raises(SrtpError):
            protect_rtp(session, nonsense)
        with pytest.raises(SrtpError):
            session.protect_rtcp(nonsense)


def test_only_a_used_up_key_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """libsrtp refuses after 2**48 packets, which nobody waits for."""
    session = SrtpSession(PROFILES[0], bytes(88), is_dtls_client=True)
    used_up = pylibsrtp.ERRORS.index("can't use key any more")

    def refuse(*_arguments: object) -> int:
        raise pylibsrtp.Error(pylibsrtp.ERRORS[used_up])

    monkeypatch.setattr(srtp_module, "_srtp_protect", lambda *_arguments: used_up)
    with pytest.raises(SrtpKeyUsedUpError):
        protect_all(session, [rtp_packet(1)])
    monkeypatch.setattr(pylibsrtp.Session, "protect_rtcp", refuse)
    with pytest.raises(SrtpKeyUsedUpError):
        session.protect_rtcp(RTCP_PACKET)


@every_profile
def test_packets_are_protected_side_by_side(profile: SrtpProfile) -> None:
    client, server = make_pair(profile)
    packets = [rtp_packet(number, bytes(length)) for number, length in enumerate((80, 80, 81, 9))]
    protected = protect_all(client, packets)
    assert [server.unprotect_rtp(each) for each in protected] == packets
    assert {len(p) - len(q) for p, q in zip(protected, packets, strict=True)} == {profile.tag_bytes}


def test_refused_packets_are_left_out() -> None:
    client, server = make_pair(PROFILES[0])
    packets = [rtp_packet(1), b"nonsense", rtp_packet(3, b"last")]
    protected = protect_all(client, packets)
    assert [server.unprotect_rtp(each) for each in protected] == [packets[0], packets[2]]


def test_the_longest_packet_that_fits_is_protected() -> None:
    client, server = make_pair(PROFILES[2])
    longest = rtp_packet(1, bytes(MAX_RTP_BYTES - len(rtp_packet(1, b""))))
    assert len(longest) == MAX_RTP_BYTES
    assert server.unprotect_rtp(protect_rtp(client, longest)) == longest
