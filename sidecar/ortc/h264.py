"""H.264 profiles and levels in ``profile-level-id`` (RFC 6184, section 8.1).

Three hexadecimal bytes: profile_idc, the constraint flags (profile-iop), level_idc. Several values
name the same profile, so they must not be compared as strings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

from sidecar.ortc.parameters import ParameterValue


class H264Profile(Enum):
    """The profiles that WebRTC endpoints name, with their canonical profile_idc and flags."""

    CONSTRAINED_BASELINE = "42e0"
    BASELINE = "4200"
    MAIN = "4d00"
    CONSTRAINED_HIGH = "640c"
    HIGH = "6400"
    PREDICTIVE_HIGH_444 = "f400"


LEVEL_1B: Final = 9
"""Level 1b. On the wire it is level_idc 11 with constraint_set3_flag set (ITU-T H.264, A.3.1)."""

_CONSTRAINT_SET3: Final = 0x10

# In order of what a decoder must be capable of, which is not quite the order of the numbers.
_LEVELS: Final = (10, LEVEL_1B, 11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52)
_LEVEL_IDCS: Final = frozenset(_LEVELS) - {LEVEL_1B}

# profile_idc, mask and wanted bits of the constraint flags: RFC 6184, section 8.1, table 5.
# The first match counts.
_PROFILES: Final = (
    (0x42, 0b0100_1111, 0b0100_0000, H264Profile.CONSTRAINED_BASELINE),
    (0x4D, 0b1000_1111, 0b1000_0000, H264Profile.CONSTRAINED_BASELINE),
    (0x58, 0b1100_1111, 0b1100_0000, H264Profile.CONSTRAINED_BASELINE),
    (0x42, 0b0100_1111, 0b0000_0000, H264Profile.BASELINE),
    (0x58, 0b1100_1111, 0b1000_0000, H264Profile.BASELINE),
    (0x4D, 0b1010_1111, 0b0000_0000, H264Profile.MAIN),
    (0x64, 0b1111_1111, 0b0000_0000, H264Profile.HIGH),
    (0x64, 0b1111_1111, 0b0000_1100, H264Profile.CONSTRAINED_HIGH),
    (0xF4, 0b1111_1111, 0b0000_0000, H264Profile.PREDICTIVE_HIGH_444),
)

# Level 1b needs constraint_set3_flag, so it has a spelling of its own in the profiles that it is
# found in. The other profiles are never parsed as having it.
_LEVEL_1B_IDS: Final = {
    H264Profile.CONSTRAINED_BASELINE: "42f00b",
    H264Profile.BASELINE: "42100b",
    H264Profile.MAIN: "4d100b",
}

_THREE_BYTES: Final = re.compile(r"[0-9a-fA-F]{6}")


class ProfileLevel(NamedTuple):
    """A profile, and a level as level_idc (ten times its number; ``LEVEL_1B`` for 1b)."""

    profile: H264Profile
    level: int

    def __str__(self) -> str:
        """The canonical ``profile-level-id``."""
        if self.level == LEVEL_1B:
            return _LEVEL_1B_IDS[self.profile]
        return f"{self.profile.value}{self.level:02x}"


DEFAULT_PROFILE_LEVEL: Final = ProfileLevel(H264Profile.CONSTRAINED_BASELINE, 31)
"""What a missing ``profile-level-id`` means to WebRTC endpoints. (RFC 6184 says Baseline 1.)"""


def parse_profile_level_id(text: str) -> ProfileLevel | None:
    """Reads a ``profile-level-id``; None if it names no known profile and level."""
    if not _THREE_BYTES.fullmatch(text):
        return None
    profile_idc, constraints, level = bytes.fromhex(text)
    if level not in _LEVEL_IDCS:
        return None
    for wanted_idc, mask, wanted_bits, profile in _PROFILES:
        if profile_idc == wanted_idc and constraints & mask == wanted_bits:
            if level == 11 and constraints & _CONSTRAINT_SET3:
                level = LEVEL_1B
            return ProfileLevel(profile, level)
    return None


def profile_level_of(parameters: Mapping[str, ParameterValue]) -> ProfileLevel | None:
    """The profile and level that codec parameters name; None if they can't be understood."""
    value = parameters.get("profile-level-id")
    if value is None or value == "":
        return DEFAULT_PROFILE_LEVEL
    # JavaScript's SDP parsers turn a value of six decimal digits, as 640029 is, into a number.
    return parse_profile_level_id(str(value))


def answered_level(ours: int, theirs: int, *, asymmetry_allowed: bool) -> int:
    """The level to answer (RFC 6184, section 8.2.2): ours; without asymmetry, the lower one."""
    return ours if asymmetry_allowed else min(ours, theirs, key=_LEVELS.index)
