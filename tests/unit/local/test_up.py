"""What `make up` deploys of the configuration that it is given."""

from __future__ import annotations

import io
from pathlib import Path

import yaml

from organs.version import read_own_version
from serve_app.local.progress import Progress
from serve_app.local.up import _Up
from serve_app.local.wanted import Wanted

CONFIG = """\
http_options: {host: 127.0.0.1}
applications:
  - name: seedcore
    import_path: serve_app.main:build
    args:
      code_version: 0.0.9+aaaaaaaaaaaa
      organs:
        - {id: cognitive_organ_1, type: Cognitive}
"""


def test_a_file_that_another_code_had_stamped_is_stamped_anew(tmp_path: Path) -> None:
    (tmp_path / "deployed.yaml").write_text(CONFIG)
    wanted = Wanted.read({"SEEDCORE_CONFIG": str(tmp_path / "deployed.yaml"), "SEEDCORE_HTTP_PORT": "8123"})
    checked = _Up(wanted, Progress(io.StringIO(), 1), {})._check_config()
    stamped = yaml.safe_load(CONFIG.replace("0.0.9+aaaaaaaaaaaa", read_own_version()))
    scaled = {"name": "cognitive_organ_1", "autoscaling_config": {"min_replicas": 1, "max_replicas": 1}}
    stamped["applications"][0]["deployments"] = [scaled]
    assert checked == {**stamped, "http_options": {"host": "127.0.0.1", "port": 8123}}
