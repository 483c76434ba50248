"""Keeps the mailbox and the folders of files small."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Final

import structlog

from channeld.config import RetentionTable
from channeld.core.errors import StoreUnavailable
from channeld.daemon.health import Health
from channeld.paths import Paths
from channeld.store.migrations import copies
from channeld.store.retention import Retention

log = structlog.get_logger()
_EVERY_S: Final = 6 * 3600.0
_DAY_S: Final = 86400.0
_KEPT_COPIES_S: Final = 30 * _DAY_S


async def keep_small(retention: Retention, limits: RetentionTable, paths: Paths, health: Health) -> None:
    """Remove what is old or too much, again and again. An essential task: its end is the daemon's."""
    folders = (paths.inbox, paths.spool)
    while True:
        try:
            files = await retention.apply(
                keep_s=limits.days * _DAY_S, max_bytes=limits.max_mb * 1_000_000, now=time.time()
            )
            await asyncio.to_thread(_remove_files, files, folders)
            await asyncio.to_thread(_remove_copies, paths.database, time.time() - _KEPT_COPIES_S)
            # A crash between a copy and its acceptance leaves a file that no message refers to.
            stray = await asyncio.to_thread(_old_files, folders, time.time() - _DAY_S)
            if stray:
                used = await retention.files_in_use()
                await asyncio.to_thread(_remove_files, [file for file in stray if file not in used], folders)
        except StoreUnavailable as trouble:
            health.report_store(trouble)
        except OSError as error:  # somebody's hand in our folders: tidying up can wait
            log.warning("files_not_removed", error=str(error))
        await asyncio.sleep(_EVERY_S)


def _remove_copies(database: Path, before: float) -> None:
    """Remove copies of the mailbox that upgrades have left, when nobody has gone back for so long."""
    for copy in copies(database):
        if copy.stat().st_mtime < before:
            copy.unlink(missing_ok=True)
            log.info("old_copy_removed", copy=copy.name)


def _remove_files(files: list[str], folders: tuple[Path, ...]) -> None:
    """Remove files that no message refers to any more, if they are ours; what else lies there is left alone."""
    for file in map(Path, files):
        if file.parent in folders and (file.is_file() or file.is_symlink()):
            file.unlink(missing_ok=True)


def _old_files(folders: tuple[Path, ...], before: float) -> list[str]:
    """Return the files in these folders that were last changed before a moment."""
    found = []
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    old = entry.stat(follow_symlinks=False).st_mtime < before
                except FileNotFoundError:  # a worker removed it just now
                    continue
                if old and not entry.is_dir(follow_symlinks=False):
                    found.append(entry.path)
    return found
