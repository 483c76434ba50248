"""Telegram: one bot, through the Bot API."""
