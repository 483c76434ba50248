"""The Discord worker: a bot account, on discord.py."""
