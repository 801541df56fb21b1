"""More words of what installs and checks a runtime environment."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="env-not-created",
        code="env.setup-failed",
        contains=(
            "Couldn't create a runtime environment for job",
            "got exception.",
            "profile failed to run with the following",
        ),
        pattern=r"create a runtime environment for job|Run cmd\[\d{1,4}\] got exception|(?:nsight|rocprof-sys) profile failed to run",
        role=ClueRole.WRAPPER,
        matches=(
            "(raylet) Couldn't create a runtime environment for job 02000000.",
            "RuntimeError: Run cmd[2] got exception.",
            "nsight profile failed to run with the following error message:",
        ),
        near_misses=("INFO utils.py:76 -- Run cmd[2] ['/opt/venv/bin/python']",),
    ),
    Signature(
        name="env-upload-too-large",
        code="env.package-too-large",
        contains=("exceeds the maximum size of", "413: Maximum request body size", "status code 413"),
        pattern=r"[Pp]ackage size \(?[\d.]{1,12} ?\w{0,4}\)? exceeds the maximum size of|413: Maximum request body|status code 413\b",
        matches=(
            "RuntimeError: Package size 120.1MiB exceeds the maximum size of 100.00MiB.",
            "RuntimeError: Request failed with status code 413: 413: Maximum request body size 1048576 exceeded",
        ),
        near_misses=("Row 7 exceeds the maximum size of 64 bytes, it is cut",),
    ),
    Signature(
        name="env-refused-before-upload",
        code="env.invalid",
        contains=(
            "field of runtime_env cannot both be specified",
            " must be an existing directory",
            " must be an existing file",
        ),
        pattern=r"runtime_env cannot both|(?:directory|File) .{1,300} must be an existing (?:directory|file)",
        matches=(
            "ValueError: The 'pip' field and 'conda' field of runtime_env cannot both be specified at the same time.",
            "ValueError: directory /srv/projct must be an existing directory",
        ),
        near_misses=("the output must be an existing directory",),
    ),
    Signature(
        name="pip-refused",
        code="env.pip-failed",
        contains=(
            "requires a different Python: ",
            "ERROR: Could not build wheels for ",
            "ERROR: Failed to build installable wheels",
            "Could not open requirements file: ",
            "is not a supported wheel on this platform",
            "ERROR: Cannot find command 'git'",
            "THESE PACKAGES DO NOT MATCH THE HASHES",
            "Failed to build `",
            "Failed to download and build `",
            "was not found in the package registry",
            "error: externally-managed-environment",
        ),
        pattern=(
            "different Python: |externally-managed|ERROR: |supported wheel|DO NOT MATCH|\u00d7 Failed to (?:download and )?build `|package registry"
        ),
        certainty=Certainty.LIKELY,
        matches=(
            "ERROR: Package 'acme' requires a different Python: 3.8.18 not in '>=3.10'",
            "ERROR: Could not build wheels for lxml, which is required to install pyproject.toml-based projects",
            "ERROR: Could not open requirements file: [Errno 2] No such file or directory: 'requirements.txt'",
            "error: externally-managed-environment",
            "ERROR: acme-1.0-cp39-cp39-linux_x86_64.whl is not a supported wheel on this platform.",
            "  \u00d7 Failed to build `acme==0.1`",
            "  Because acme was not found in the package registry and you require acme, we can conclude that",
        ),
        near_misses=("Failed to build `docs`, they are old",),
    ),
    Signature(
        name="pip-index-unreachable",
        code="env.pip-failed",
        contains=("/simple/",),
        pattern=(
            r"ConnectionPool\(host=.{0,300}Max retries exceeded with url: .{0,120}/simple/|"
            r"[Ff]ailed to fetch: `https?://.{1,200}/simple/|error sending request for url \(.{1,200}/simple/"
        ),
        certainty=Certainty.LIKELY,
        matches=(
            "ERROR: HTTPSConnectionPool(host='index.example', port=443): Max retries exceeded with url: /simple/acme/",
            "error: Failed to fetch: `https://index.example/simple/acme/`",
        ),
        near_misses=("Looking in indexes: https://index.example/simple/",),
    ),
    Signature(
        name="pip-index-retried",
        code="env.pip-failed",
        contains=("Retrying (Retry(total=",),
        pattern=r"/simple/",
        role=ClueRole.WARNING,
        certainty=Certainty.POSSIBLE,
        matches=(
            "WARNING: Retrying (Retry(total=4, connect=None)) after connection broken by 'ReadTimeoutError': "
            "/simple/acme/",
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError': /simple/numpy/",
        ),
        near_misses=("WARNING: Retrying (Retry(total=2)) after connection broken by 'ReadTimeoutError': /api/files",),
    ),
    Signature(
        name="conda-refused",
        code="env.conda-failed",
        contains=(
            "EnvironmentNameNotFound: ",
            "EnvironmentLocationNotFound: ",
            "CondaToSNonInteractiveError: ",
            "LibMambaUnsatisfiableError: ",
            "CondaHTTPError: ",
            "CondaVerificationError: ",
            "UnavailableInvalidChannel: ",
        ),
        matches=(
            "EnvironmentNameNotFound: Could not find conda environment: ml",
            "LibMambaUnsatisfiableError: Encountered problems while solving:",
            "CondaHTTPError: HTTP 000 CONNECTION FAILED for url <https://conda.example/noarch/repodata.json>",
        ),
        near_misses=("an EnvironmentNameNotFound may follow",),
    ),
    Signature(
        name="image-refused",
        code="env.container-failed",
        contains=("pull access denied for ", "unauthorized: authentication required", ": manifest unknown"),
        certainty=Certainty.LIKELY,
        matches=(
            "Error response from daemon: pull access denied for acme/job, repository does not exist or may "
            "require login",
            "reading manifest 1 in docker.io/acme/job: manifest unknown",
        ),
        near_misses=("the manifest is unknown to most readers",),
    ),
)
