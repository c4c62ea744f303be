"""The WebSocket protocol: what is said, by whom, and when a connection is cut off."""
