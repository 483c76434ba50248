"""The web chat: a page and a script API on 127.0.0.1, for whoever holds the token."""
