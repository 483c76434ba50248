"""Turns data into lines for people. Pure: data, the time and the width in, text out.

Lines carry ANSI colours; ``click.echo`` takes them off where no terminal is. Each says the same without them.
"""
