"""What a forwarded packet costs: the parts of `scripts/bench.py`.

The program starts a server as its own process, lets one synthetic teacher and many receive-only
students hold a class on it (each side in processes of its own), and reads the server's CPU clock.
"""
