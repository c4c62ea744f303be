"""Rooms, the peers in them and the rules that hold there. Pure: no I/O, no clock, no tasks."""
