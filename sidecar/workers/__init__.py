"""Rooms in further processes, which are started when there is more than one room.

The process that was started keeps the WebSocket server. A worker is the same program without one:
it has rooms and a UDP port of its own, and answers clients whose frames come through a pipe.
Nothing of this is imported as long as one room is all there is.
"""
