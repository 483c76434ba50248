"""The durable mailbox: SQLite behind one thread and one connection."""
