"""Runtime environments that cannot be set up."""

from __future__ import annotations

from serve_app.jobs.diagnosis.models import Certainty
from serve_app.jobs.diagnosis.signature import Role, Signature

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="env-header",
        code="env.setup-failed",
        contains=(
            "runtime_env setup failed:",
            "Failed to set up runtime environment",
            "RuntimeEnvSetupError",
            "its associated runtime env failed to be created",
            "Runtime env setup for app",
            "Failed to create runtime env",
        ),
        role=Role.WRAPPER,
        matches=(
            "ray.exceptions.RuntimeEnvSetupError: Failed to set up runtime environment.",
            "runtime_env setup failed: Failed to set up runtime environment.",
        ),
        near_misses=("Runtime env is setting up.",),
    ),
    Signature(
        name="pip-no-match",
        code="env.pip-failed",
        contains=(
            "ERROR: Could not find a version that satisfies the requirement",
            "ERROR: No matching distribution found for",
            "ERROR: Cannot install ",
            "ResolutionImpossible",
            "No solution found when resolving dependencies",
            "ERROR: Failed building wheel",
            "ERROR: Invalid requirement",
            "error: subprocess-exited-with-error",
            "THESE PACKAGES DO NOT MATCH THE HASHES",
        ),
        matches=(
            "ERROR: Could not find a version that satisfies the requirement nosuch==9",
            "  × No solution found when resolving dependencies:",
        ),
        near_misses=("Requirement already satisfied: numpy",),
    ),
    Signature(
        name="pip-command-failed",
        code="env.pip-failed",
        contains=(
            "failed with the following details.",
            "enable pip runtime env",
            "enable uv runtime env",
            "Failed to install pip requirements",
        ),
        pattern=r"Run cmd\[\d+\] failed with|Please install virtualenv|to enable (?:pip|uv) runtime env|Failed to install pip requirements",
        role=Role.WRAPPER,
        certainty=Certainty.LIKELY,
        matches=(
            "ray._private.runtime_env.utils.SubprocessCalledProcessError: Run cmd[11] failed with the following details.",
            "RuntimeError: Please install virtualenv `python -m pip install virtualenv`to enable pip runtime env.",
        ),
        near_misses=("the request failed with the following details.",),
    ),
    Signature(
        name="env-ray-version",
        code="env.invalid",
        contains=("Changing the ray version is not allowed",),
        matches=(
            "RuntimeError: Changing the ray version is not allowed: current version: 2.60.0",
            "Changing the ray version is not allowed: \n",
        ),
        near_misses=("the ray version is 2.60",),
    ),
    Signature(
        name="conda",
        code="env.conda-failed",
        contains=(
            "Could not find Conda executable",
            "The given conda environment '",
            "Failed to install conda environment",
            "CondaError",
            "EnvironmentLocationNotFound",
            "CondaEnvException",
            "Failed to create conda environment",
            "PackagesNotFoundError",
        ),
        matches=(
            "RuntimeError: Could not find Conda executable at conda.",
            "ValueError: The given conda environment 'ml' from the conda env list ['base'] can't be found.",
        ),
        near_misses=("conda environment base is active",),
    ),
    Signature(
        name="container",
        code="env.container-failed",
        contains=(
            "Podman command failed",
            "Invalid worker path inferred in image",
            "'podman'",
            "podman: command not found",
            "podman: not found",
            "Error: unable to pull",
            "initializing source docker://",
        ),
        matches=(
            "RuntimeError: Podman command failed: cmd=['podman', 'run']",
            "FileNotFoundError: [Errno 2] No such file or directory: 'podman'",
        ),
        near_misses=("podman is installed",),
    ),
    Signature(
        name="env-timeout",
        code="env.timeout",
        contains=("Failed to install runtime_env within the timeout",),
        matches=(
            "Failed to install runtime_env within the timeout of 600 seconds. Consider increasing the timeout",
            "(raylet) Failed to install runtime_env within the timeout of 1 seconds.",
        ),
        near_misses=("runtime_env installed within the timeout",),
    ),
    Signature(
        name="package-too-large",
        code="env.package-too-large",
        contains=("exceeds the maximum size of",),
        pattern=r"[Pp]ackage size \([^)]{1,40}\) exceeds the maximum size",
        matches=(
            "RuntimeError: Package size (777.48MiB) exceeds the maximum size of 500.00MiB.",
            "Package size (120.1MiB) exceeds the maximum size of 100.00MiB. You can exclude",
        ),
        near_misses=("the queue exceeds the maximum size of 3",),
    ),
    Signature(
        name="package-missing",
        code="env.package-missing",
        contains=(
            "Failed to download runtime_env file package",
            "Failed to store package in the GCS",
            "does not exist on the cluster",
            "Failed to fetch URI",
            "from the GCS to the Ray worker node",
        ),
        pattern=r"Failed to download runtime_env|Failed to store package|for URI \S+ does not exist on the cluster|Failed to fetch URI|from the GCS to the Ray worker node",
        matches=(
            "OSError: Failed to download runtime_env file package gcs://_ray_pkg_1.zip from the GCS to the Ray worker node.",
            "ValueError: Local directory /tmp/x for URI gcs://_ray_pkg_1.zip does not exist on the cluster.",
        ),
        near_misses=("the job does not exist on the cluster",),
    ),
    Signature(
        name="env-invalid-uri",
        code="env.invalid",
        contains=(
            "is not a valid URI",
            "is not a valid path",
            "Only .zip files supported",
            "Invalid protocol for runtime_env",
            "invalid runtime_env",
            "Invalid runtime_env",
            "runtime_env must be",
            "runtime_env[",
            "working_dir must be",
        ),
        pattern=r"is not a valid (?:URI|path)|Only \.zip files|Invalid protocol for|[Ii]nvalid runtime_env|runtime_env(?:\[[^\]]{1,40}\])? must be|working_dir must be|TypeError: .{0,40}runtime_env\[",
        matches=(
            "ValueError: /home/me/x is not a valid URI. Passing directories or modules to be dynamically uploaded is only supported at the job level",
            "TypeError: runtime_env['env_vars'] must be of type Dict[str, str]",
        ),
        near_misses=("runtime_env[pip] was installed",),
    ),
    Signature(
        name="env-download",
        code="env.package-missing",
        contains=("packaging.py",),
        pattern=r"packaging\.py:\d+ -- (?:Failed|Could not)",
        certainty=Certainty.LIKELY,
        matches=(
            "2026-01-02 03:04:05 ERROR packaging.py:9 -- Failed to download s3://b/x.zip",
            "packaging.py:12 -- Could not fetch https://x/y.zip",
        ),
        near_misses=("2026-01-02 03:04:05 INFO packaging.py:940 -- Downloading package from gcs://x",),
    ),
)
