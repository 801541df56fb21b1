"""Recorded bytes without the names, addresses and paths of the machine that made them, and not too many of them."""

from __future__ import annotations

import codecs
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import psutil

MAX_BYTES = 64_000
_MOST_OF_A_LINE = 4_000
_WITHIN_CHARACTER = bytes(range(0x80, 0xC0))
_INDEX = "https://index.example/simple"


def scrubber(directory: Path) -> Callable[[bytes], bytes]:
    """What replaces this machine's words, and the cluster's ``directory``, in bytes that it wrote."""
    places = sorted(_places(directory).items(), key=lambda pair: -len(pair[0]))
    found = [(re.compile(re.escape(word.encode())), instead.encode()) for word, instead in places]
    found += [(re.compile(rb"(?<![\w.])%b(?![\w])" % re.escape(word.encode())), b"192.0.2.1") for word in _addresses()]
    found += [(re.compile(rb"(?:file://)?/opt/[\w-]+/(?:simple|files)"), _INDEX.encode())]
    found += [(re.compile(rb"RAY_AUTH_TOKEN=\w+"), b"RAY_AUTH_TOKEN=****")]
    # Lists of processes cut long commands, and with them the path of a cluster.
    found += [(re.compile(rb"/tmp/rec-[\w.]*"), b"/tmp/ray...")]
    found += [(re.compile(rb"(?:[a-z]+\.)*(?:pypi\.org|pythonhosted\.org)"), b"index.example")]
    if len(socket.gethostname()) > 3:
        found += [(re.compile(rb"(?<![\w.])%b(?![\w])" % re.escape(socket.gethostname().encode())), b"head.example")]

    def scrub(data: bytes) -> bytes:
        for pattern, instead in found:
            data = pattern.sub(instead, data)
        return data

    return scrub


def bounded(data: bytes, limit: int = MAX_BYTES) -> bytes:
    """At most about ``limit`` bytes: the middle is cut out at ends of lines where there are any, and a line says so."""
    if len(data) <= limit:
        return data
    half = limit // 2
    first, last = data[:half], data[-half:]
    # A line that is longer than this is cut, too: its beginning may be what tells.
    if (end := first.rfind(b"\n", half - _MOST_OF_A_LINE)) >= 0:
        first = first[: end + 1]
    else:
        whole = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(first)
        first = whole.encode(errors="surrogateescape") + b"\n"
    last = last[last.find(b"\n", 0, _MOST_OF_A_LINE) + 1 :].lstrip(_WITHIN_CHARACTER)
    return first + b"[... %d bytes cut out of the recording ...]\n" % (len(data) - len(first) - len(last)) + last


def _places(directory: Path) -> dict[str, str]:
    """The longer is replaced first."""
    base = str(Path(sys.base_prefix).resolve())
    return {
        f"{directory}/t/": "/tmp/ray/",
        f"{directory}/w/": "/tmp/ray/",
        str(directory): "/home/user",
        sys.prefix: "/opt/venv",
        str(Path(sys.prefix).resolve()): "/opt/venv",
        base: "/usr/local",
        sys.base_prefix: "/usr/local",
        str(Path(__file__).resolve().parents[2]): "/home/user",
        str(Path.home()): "/home/user",
        **_package_sources(),
    }


@lru_cache
def _package_sources() -> dict[str, str]:
    """Where pip on this machine takes packages from."""
    told = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    words = re.findall(r"(?:[a-z]+://[^\s'\"]+|(?<==')/[^\s'\"]+)", told.stdout)
    return {word: _INDEX for word in words if not word.endswith((".crt", ".pem"))}


def _addresses() -> set[str]:
    return {
        each.address
        for interface in psutil.net_if_addrs().values()
        for each in interface
        if each.family == socket.AF_INET and each.address != "127.0.0.1"
    }
