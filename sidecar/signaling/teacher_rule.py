"""Who is believed to be the teacher."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TeacherRule:
    """Decides whether ``isTeacher: true`` is honoured.

    Attributes:
        accepts: "local": whoever comes from this machine, or has the token; "token": whoever has
            the token; "any": everybody.
        token: The secret.
        is_own_address: Whether an IP address is one of this machine's.
    """

    accepts: Literal["any", "local", "token"]
    token: str
    is_own_address: Callable[[str], bool]

    def allows(self, remote_address: str | None, token: str | None) -> bool:
        """Whether a client may be a teacher.

        Args:
            remote_address: Where it comes from; None if unknown.
            token: What it gives as the token, if anything.
        """
        return self.accepts == "any" or self.proves(remote_address, token)

    def proves(self, remote_address: str | None, token: str | None) -> bool:
        """Whether a client that may be a teacher is one for sure; arguments as for ``allows``.

        Where everybody is believed, no address proves anything: all of them may be a proxy's.
        """
        if self._is_the_token(token):
            return True
        if self.accepts != "local" or remote_address is None:
            return False
        return self.is_own_address(remote_address)

    def _is_the_token(self, token: str | None) -> bool:
        # In constant time: how long it takes must not tell how much of a guess is right.
        return token is not None and hmac.compare_digest(token.encode(), self.token.encode())
