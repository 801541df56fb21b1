"""What a cause is about, in a word or a number of its evidence: the module, the path, the request. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from serve_app.jobs.diagnosis.models import ProgramError

_MOST_CHARS = 120
_REQUEST = re.compile(r"(\{[^{}\n]{3,200}\})")
_ADDRESS = re.compile(r"((?:\d{1,3}\.){3}\d{1,3}(?::\d{2,5})?|[\w-]{1,60}(?:\.[\w-]{1,40}){0,6}:\d{4,5})\b")
_PLACE = re.compile(r"\S{1,200}\.(?:py|cc|cpp|h|pyx):\d{1,6}")
_DEPLOYMENT = re.compile(r"[Dd]eployment '{0,2}([\w.-]{1,80})'{0,2}")
_FILE = re.compile(r"(?:No such file or directory|Permission denied|[Nn]ot found): ?'?([^\s':]{1,200})")
_SECONDS = re.compile(r"((?:for|after|within) \d[\d.]{0,9} ?(?:seconds|s)\b)")

# Of each code the words of its evidence to look for, the first that is there.
_DETAILS: Mapping[str, tuple[re.Pattern[str], ...]] = {
    "app.import-error": (
        re.compile(r"No module named '?([\w.]{1,120})"),
        re.compile(r"cannot import name '?([\w.]{1,120})'? from '?([\w.]{1,120})"),
        re.compile(r"(?:^|\s)(\S{1,120}\.so\S{0,20}): cannot open shared"),
        re.compile(r"undefined symbol: (\w{1,80})"),
    ),
    "app.data-access": (
        _FILE,
        re.compile(r"((?:40[0-9]|50[0-9])\b.{0,80} for url: [^\s?]{1,160})"),
        re.compile(r"(\bs3://\S{1,160}|\bgs://\S{1,160})"),
        re.compile(r"An error occurred \((\w{1,60})\)"),
        _ADDRESS,
    ),
    "app.entrypoint-not-found": (
        re.compile(r"can.t open file '([^']{1,200})'"),
        re.compile(r": ([^:]{1,160}): (?:command )?not found"),
        re.compile(r": ([^:]{1,160}): (?:Permission denied|No such file)"),
    ),
    "app.usage-error": (
        re.compile(r"(?:required|arguments?|option|Key): ?(.{1,100})$"),
        re.compile(r"(?:argument|option) (\S{1,80})"),
    ),
    "app.actor-not-found": (re.compile(r"with name '?([^\s']{1,100})"),),
    "app.actor-name-conflict": (re.compile(r"[Nn]ame '?([^\s']{1,100})"),),
    "app.serialization": (re.compile(r"(cannot pickle '?[\w.]{1,80}'?(?: object)?)"),),
    "app.get-timeout": (_SECONDS,),
    "env.pip-failed": (
        re.compile(r"distribution found for (\S{1,100})"),
        re.compile(r"satisfies the requirement (\S{1,100})"),
    ),
    "env.package-too-large": (re.compile(r"\(([\d.]{1,12} ?[KMG]i?B)\)"), re.compile(r"(status code 413)")),
    "env.package-missing": (re.compile(r"(gcs://\S{1,100}|s3://\S{1,100})"),),
    "env.container-failed": (re.compile(r'image "?([^\s"]{1,120})'),),
    "gpu.out-of-memory": (re.compile(r"(Tried to allocate [\d.]{1,9} [KMG]iB)"),),
    "gpu.hardware": (re.compile(r"(Xid[^,\n]{0,40}\): \d{1,3})"), re.compile(r"(uncorrectable ECC|off the bus)")),
    "gpu.collective-timeout": (re.compile(r"((?:after|for) \d{2,12} ?m?s\b)"), _SECONDS, _ADDRESS),
    "gpu.collective-failed": (re.compile(r"(nccl\w{4,30}Error)"), re.compile(r"(NCCL [Ee]rror \d{1,3})"), _ADDRESS),
    "storage.disk-full": (
        re.compile(r"(available space: \d{1,18}; capacity: \d{1,18})"),
        re.compile(r"space left on device: ?'?([^\s']{1,200})"),
    ),
    "storage.shm-too-small": (re.compile(r"(/dev/shm/\S{1,60} to \d{1,18} bytes)"),),
    "os.limit": (
        re.compile(r"(Too many open files|too long|start new thread|watch limit|length cannot exceed \d{2,4})"),
    ),
    "network.port-conflict": (re.compile(r"(?:[Pp]ort:? {1,2}|', )(\d{2,5})\b"), re.compile(r"[\w.]:(\d{4,5})\b")),
    "gcs.unreachable": (_ADDRESS,),
    "gcs.storage-unreachable": (_ADDRESS,),
    "cluster.not-found": (_ADDRESS,),
    "cluster.launch-failed": (re.compile(r"\b(Insufficient\w{1,40}|\w{1,40}(?:LimitExceeded|EXHAUSTED|EXCEEDED))\b"),),
    "client.disconnected": (_ADDRESS,),
    "node.died": (_ADDRESS,),
    "memory.process-killed": (re.compile(r"((?:exit ?code|signal|return code)[ :=]{1,2}-?\d{1,3})", re.IGNORECASE),),
    "app.native-crash": (re.compile(r"(SIG[A-Z]{3,5})"),),
    "job.duplicate-id": (re.compile(r"submission_id (\S{1,100})"), re.compile(r"_internal_job_actor_(\S{1,100})")),
    "job.start-timeout": (_SECONDS,),
    "scheduling.waiting": (_REQUEST,),
    "scheduling.infeasible": (_REQUEST,),
    "scheduling.placement-group": (re.compile(r"(\{[^{}\n]{3,200}\}(?:, \{[^{}\n]{3,80}\}){0,2})"), _SECONDS),
    "scheduling.node-affinity": (re.compile(r"(\{[^{}\n]{3,200}\})"),),
    "serve.unschedulable": (_DEPLOYMENT, _REQUEST),
    "serve.constructor-failed": (_DEPLOYMENT,),
    "serve.health-check-failed": (_DEPLOYMENT, re.compile(r"deployment='([\w.-]{1,80})'")),
    "serve.backpressure": (re.compile(r"(num_queued_requests=\d{1,9})"),),
}
# What an exception that no signature knows says by itself.
_OF_EXCEPTIONS = frozenset(
    {"app.exception", "app.task-exception", "app.actor-init-failed", "serve.constructor-failed", "serve.config-invalid"}
)


def find_detail(code: str, quote: str, program: ProgramError | None) -> str:
    """What the cause is about, for the end of its title; empty where the evidence has no word for it.

    ``quote``: the evidence, redacted.
    """
    said = _PLACE.sub("", quote)
    for pattern in _DETAILS.get(code, ()):
        found = pattern.search(said)
        if found is not None:
            return _shorten(" of ".join(each for each in found.groups() if each))
    if program is not None and code in _OF_EXCEPTIONS:
        return _describe_exception(program)
    return ""


def _describe_exception(program: ProgramError) -> str:
    name = program.exception.rpartition(".")[2]
    said = _shorten(f"{name}: {program.message}" if program.message else name)
    if program.file is None:
        return said
    place = re.split(r"[/\\]", program.file)[-1]
    return f"{said} ({place}:{program.line})" if program.line is not None else f"{said} ({place})"


def _shorten(text: str) -> str:
    said = " ".join(text.split()).rstrip(".,;:")
    return said if len(said) <= _MOST_CHARS else f"{said[:_MOST_CHARS]}…"
