"""The command line: one file a command group, and the shim that Claude Code spawns."""
