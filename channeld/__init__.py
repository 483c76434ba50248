"""channeld: the way to reach a running Claude Code session."""

__version__ = "0.1.0"
