"""Telegram: a bot account, on python-telegram-bot."""
