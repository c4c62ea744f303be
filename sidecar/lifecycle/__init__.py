"""The program and whoever started it: what they say to each other, and how it ends.

``docs/handshake.md`` describes what is said.
"""
