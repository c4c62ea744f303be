"""Sockets, ICE-lite, DTLS and SRTP: everything that touches the network or the clock."""
