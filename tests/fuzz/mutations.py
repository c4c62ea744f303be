"""Valid packets with something wrong: what gets deeper into a parser than noise does."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def mutated(draw: st.DrawFn, valid: st.SearchStrategy[bytes]) -> bytes:
    """Draws valid bytes, overwrites a few of them, then cuts or extends the end."""
    data = bytearray(draw(valid))
    if data:
        positions = st.integers(0, len(data) - 1)
        for position, value in draw(
            st.lists(st.tuples(positions, st.integers(0, 255)), max_size=4)
        ):
            data[position] = value
    end = draw(st.one_of(st.just(len(data)), st.integers(0, len(data))))
    return bytes(data[:end]) + draw(st.one_of(st.just(b""), st.binary(max_size=8)))
