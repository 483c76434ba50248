"""Pure decisions: no I/O, no asyncio, no clock. The daemon performs what is decided here."""
