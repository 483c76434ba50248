"""Framing and message types shared by the daemon, its workers and the command line."""
