"""The Discord worker: a bot account, on discord.py. Read ``platform`` first: it puts the parts together.

**In**: ``gateway`` keeps the connection and hands on dispatches raw. ``platform`` gives presses to ``interactions`` and
the rest to ``intake``. That notes in ``places`` which channels, threads and roles there are, and puts what was written
on the lane of its channel (``lanes``). A lane reads what was missed from the history, then what is told live; each goes
through ``messages``, which makes it one of channeld's events, and is offered. ``watermarks`` keep how far a channel was
read, and ``catch_up`` finds what has to be read after a gap; ``rights`` tell which open channels the bot cannot use.
What ``messages`` needs: ``people`` (who), ``content`` and ``embeds`` (what it holds), ``mentions`` (names for marks,
and whether the bot is addressed), ``quotes`` (what it replies to), ``notices`` (what Discord itself says), and of
reactions ``recollection`` (who and whose, where Discord does not say).

**Out**: ``sending`` carries out what the daemon asks for. ``letters`` says which messages a reply is: ``markdown`` has
it as Discord wants it, ``splitting`` cuts it, ``uploads`` are its files. ``refusals`` say in words why Discord refuses,
and ``doubt`` looks whether the token is still good.

**Prompts**: ``prompts`` shows what Claude Code asks as a card (``cards``, of ``components``) and takes the answers that
``interactions`` (buttons, lists, forms) or ``intake`` (a reply to the card) bring. By the way: ``courtesies`` (typing,
channeld's own words, the mark on a message) and ``downloads`` (files into the inbox).

**Set-up**: ``check`` is not the worker's; ``channeld setup discord`` runs it.

**Below all**: ``api`` (REST, and what its errors mean), ``asking`` (until there is an answer), ``ids`` (Discord's
numbers), ``channels`` (those numbers in channeld's chat ids), ``reactions`` (emoji), ``settings``.
"""
