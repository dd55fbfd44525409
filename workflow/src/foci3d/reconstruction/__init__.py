"""Foci, tracks and volumes from measurements."""
