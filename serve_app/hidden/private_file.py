"""Files that hold secrets: read only where nobody else can, written so that nobody else ever could."""

from __future__ import annotations

import os
import stat
from pathlib import Path

# YAML is read at some 0.3 MB/s, and a replica answers nothing meanwhile.
MOST_BYTES = 131_072
_OF_OTHERS = stat.S_IRWXO | stat.S_IWGRP


class SecretFileRefused(ValueError):
    """A file with secrets cannot be read, or may be by others; the sentence names it, and nothing of what it holds."""


def read_private_text(path: Path, source: str) -> str:
    """The text of a file with secrets; ``source``: what named it.

    Raises ``SecretFileRefused`` when it cannot be read, is of another user, or others may read or change it. That its
    group may read it is how orchestrators hand secrets over; ``find_wide_mode`` tells it.
    """
    try:
        with path.open("rb") as file:
            told = os.fstat(file.fileno())
            if not stat.S_ISREG(told.st_mode):
                raise SecretFileRefused(f"{source}: {path} is no file.")
            if told.st_uid not in (0, os.geteuid()):
                raise SecretFileRefused(f"{source}: {path} belongs to another user.")
            if told.st_mode & _OF_OTHERS:
                mode = stat.S_IMODE(told.st_mode)
                raise SecretFileRefused(f"{source}: others may use {path} (mode {mode:04o}); run `chmod 600 {path}`.")
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SecretFileRefused(f"{source}: {path} cannot be read: {error.strerror or error}.") from None
    if len(raw) > MOST_BYTES:
        raise SecretFileRefused(f"{source}: {path} has more than {MOST_BYTES} bytes.")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise SecretFileRefused(f"{source}: {path} is not UTF-8.") from None


def find_wide_mode(path: Path) -> str | None:
    """The mode of a file that others than its owner may use, as ``0644``; None when it is the owner's alone, or not
    there."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    return f"{mode:04o}" if mode & (stat.S_IRWXG | stat.S_IRWXO) else None


def write_private_text(path: Path, text: str) -> None:
    """Replace a file in one step by one that only its owner can read; raises ``OSError``.

    The owner stays: what an administrator writes for the user of the application, that user must be able to read.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            before = path.stat() if path.exists() else None
            if before is not None and before.st_uid != os.geteuid():
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:  # also one that interrupts leaves no draft with secrets behind; it is raised on
        draft.unlink(missing_ok=True)
        raise


def narrow_mode(path: Path) -> None:
    """Let only its owner read and write a file that is there; one of another user stays as it is."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            path.chmod(mode & stat.S_IRWXU)
    except (FileNotFoundError, PermissionError):
        return
