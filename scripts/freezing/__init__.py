"""Freezing the SFU into one executable."""
