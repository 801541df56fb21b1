"""The signatures that are built in, one file for a family of codes; each file has a tuple ``SIGNATURES``.

A new file is listed here by hand: what is searched for by itself may silently find nothing.
"""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import Signature
from serve_app.jobs.diagnosis.catalogue.signatures import (
    app_crash,
    app_data,
    app_program,
    app_ray,
    app_services,
    app_settings,
    app_shell,
    app_transfer,
    benign,
    clusters,
    collectives,
    control_plane,
    engines,
    env,
    env_install,
    frameworks,
    gpu,
    hosts,
    job_layer,
    kubernetes,
    memory,
    nodes,
    objects,
    older_ray,
    schedulers,
    scheduling,
    serve,
    tools,
)

FAMILIES: tuple[tuple[Signature, ...], ...] = (
    app_crash.SIGNATURES,
    app_data.SIGNATURES,
    app_program.SIGNATURES,
    app_ray.SIGNATURES,
    app_services.SIGNATURES,
    app_settings.SIGNATURES,
    app_shell.SIGNATURES,
    app_transfer.SIGNATURES,
    benign.SIGNATURES,
    clusters.SIGNATURES,
    collectives.SIGNATURES,
    control_plane.SIGNATURES,
    engines.SIGNATURES,
    env.SIGNATURES,
    env_install.SIGNATURES,
    frameworks.SIGNATURES,
    gpu.SIGNATURES,
    hosts.SIGNATURES,
    job_layer.SIGNATURES,
    kubernetes.SIGNATURES,
    memory.SIGNATURES,
    nodes.SIGNATURES,
    objects.SIGNATURES,
    older_ray.SIGNATURES,
    schedulers.SIGNATURES,
    scheduling.SIGNATURES,
    serve.SIGNATURES,
    tools.SIGNATURES,
)
