"""Figures of a real cluster: how used its nodes are, how the API answers, and what Prometheus can scrape."""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import urlsplit

import httpx

from serve_app.metrics.exposition import METRICS, MOST_KINDS
from tests.integration.cluster import Cluster, kill, wait_for

SAMPLE = re.compile(r"^ray_(?P<name>seedcore_[a-z_]+)\{(?P<labels>.*)\} (?P<value>\S+)$")
LABEL = re.compile(r'([A-Za-z_]+)="([^"]*)"')
# There after the first look, whatever happens in the cluster.
ALWAYS = {
    "seedcore_jobs",
    "seedcore_node_cpu_ratio",
    "seedcore_node_memory_ratio",
    "seedcore_look_duration_s",
    "seedcore_look_age_s",
    "seedcore_degraded",
    "seedcore_alerts",
    "seedcore_api_response_s",
    "seedcore_api_responses_total",
}
# What Ray and OpenTelemetry add.
ADDED = {"Component", "NodeAddress", "SessionName", "Version", "WorkerId", "JobId", "le"}


def scraped(cluster: Cluster) -> list[tuple[str, dict[str, str], float]]:
    """Our samples at every target that the dashboard names."""
    found = []
    for group in httpx.get(f"{cluster.dashboard_url}/api/prometheus/sd", timeout=30).json():
        for target in group["targets"]:
            # Some of Ray's own listen on the loopback only.
            host = urlsplit(f"//{target}")
            for address in (target, f"127.0.0.1:{host.port}"):
                try:
                    text = httpx.get(f"http://{address}/metrics", timeout=10).text
                    break
                except httpx.HTTPError:
                    continue
            else:
                continue
            for line in text.splitlines():
                if (match := SAMPLE.match(line)) is not None:
                    found.append((match["name"], dict(LABEL.findall(match["labels"])), float(match["value"])))
    return found


def base(name: str) -> str:
    """A histogram has three names for one."""
    return re.sub(r"_(bucket|count|sum)$", "", name) if name not in METRICS else name


def summary(cluster: Cluster, window: str = "5m") -> dict[str, Any]:
    found: dict[str, Any] = cluster.get("/jobs/summary", window=window)
    return found


def test_utilisation_is_physical(cluster: Cluster) -> None:
    told = wait_for(
        "the head's figures",
        lambda: (found := summary(cluster)["utilisation"])["cpu_ratio"]["now"] is not None and found,
    )
    (node,) = told["nodes"]
    assert (node["is_head"], told["reason"], node["gpu_ratio"]) == (True, None, None)
    for name in ("cpu_ratio", "memory_ratio", "disk_ratio"):
        assert 0 <= node[name]["mean"] <= node[name]["max"] <= 1
    assert 0 < node["memory_ratio"]["now"] < 1

    # A CPU that is busy without any of Ray's logical resources is seen; one that is only reserved would not be.
    with cluster.spawn_driver("import time; end = time.time() + 25\nwhile time.time() < end: pass") as busy:
        wait_for(
            "the busy processor",
            lambda: summary(cluster)["utilisation"]["nodes"][0]["cpu_ratio"]["now"] > 0.3,
            timeout_s=40,
        )
        busy.kill()


def test_answers_are_counted_at_the_ingress(cluster: Cluster) -> None:
    before = summary(cluster)["responses"]["count"]
    task = {"type": "test_task"}
    for _ in range(40):
        assert cluster.execute("cognitive_organ_1", task).status_code == 200
    for _ in range(40):
        with cluster.api("nobody") as api:
            api.get("/health")
    told = wait_for(
        "40 answers", lambda: (found := summary(cluster)["responses"])["count"] >= before + 40 and found, timeout_s=20
    )
    assert 0 < told["p50_s"] <= told["p95_s"] <= told["p99_s"] <= told["max_s"] < 30


def test_what_prometheus_scrapes(cluster: Cluster) -> None:
    cluster.get("/report")
    samples = wait_for(
        "all names",
        lambda: (found := scraped(cluster)) and {name for name, *_ in found} >= ALWAYS and found,
        timeout_s=60,
    )
    assert {base(name) for name, *_ in samples} <= METRICS.keys()
    for name, labels, value in samples:
        own = {label for label in labels if label not in ADDED and not label.startswith("otel_")}
        assert own == set(METRICS[base(name)].labels), (name, labels)
        assert value == value  # a gauge that is NaN is not exported
    assert len({labels["kind"] for name, labels, _ in samples if name == "seedcore_jobs"}) <= MOST_KINDS + 1
    jobs = {(labels["kind"], value) for name, labels, value in samples if name == "seedcore_jobs"}
    assert ("application-server", 1.0) in jobs
    rules = {labels["rule"] for name, labels, _ in samples if name == "seedcore_alerts"}
    assert {"cpu-high", "memory-high", "api-slow"} <= rules

    # A job that ends is counted, and timed.
    cluster.run_driver("import ray; ray.init()")
    ended = wait_for(
        "the end of a job",
        lambda: [each for each in scraped(cluster) if each[0] == "seedcore_jobs_ended_total"],
        timeout_s=60,
    )
    assert sum(value for *_, value in ended) >= 1


def test_no_gauge_has_holes(cluster: Cluster) -> None:
    """Ratios are counted every 30 s, and Ray forgets what it is not told for 20 s."""
    ratios = {"seedcore_job_success_ratio", "seedcore_job_error_ratio"}
    wait_for("the ratios", lambda: ratios <= {name for name, *_ in scraped(cluster)}, timeout_s=60)
    missing = []
    for _ in range(15):
        missing += sorted((ratios | ALWAYS) - {name for name, *_ in scraped(cluster)})
        time.sleep(2.5)
    assert missing == []


def test_figures_survive_the_inspector(cluster: Cluster) -> None:
    # Saved once a minute.
    before = wait_for(
        "a minute of figures", lambda: (told := summary(cluster, "1h"))["responses"]["count"] > 40 and told
    )["responses"]["count"]
    (actor,) = cluster.actors("JobInspector")
    time.sleep(65)
    kill(actor["pid"])
    wait_for(
        "the figures of before",
        lambda: summary(cluster, "1h")["responses"]["count"] >= before,
        timeout_s=60,
    )
