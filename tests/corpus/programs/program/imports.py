"""What is to be run is not there, does not parse, or cannot be imported; or its arguments are wrong."""

from __future__ import annotations

from tests.corpus.program import Program

_ONLY_DRIVER = """
import os
import sys
import tempfile

import ray

library = tempfile.mkdtemp()
os.makedirs(f"{library}/featurelib")
with open(f"{library}/featurelib/__init__.py", "w") as file:
    file.write("def scale(value):\\n    return value * 2\\n")
sys.path.append(library)

import featurelib

ray.init()


@ray.remote
def prepare(value):
    return featurelib.scale(value)


print("scaled:", ray.get([prepare.remote(each) for each in range(4)]))
"""
_ARGUMENTS = """
import argparse

parser = argparse.ArgumentParser(prog="train.py", description="Train a ranking model.")
parser.add_argument("--data", required=True, help="directory of shards")
parser.add_argument("--optimizer", choices=["adam", "sgd", "lamb"], default="adam")
parser.add_argument("--epochs", type=int, default=3)
print(parser.parse_args())
"""
_SETTINGS = '''
import logging

from pydantic import BaseModel, Field

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-8s %(name)s: %(message)s")


class Settings(BaseModel):
    """What the job is told."""

    learning_rate: float = Field(gt=0)
    batch_size: int
    dataset: str


logging.getLogger("settings").info("reading settings.yaml")
Settings(learning_rate=-0.1, batch_size="many", dataset="clicks")
'''
_BROKEN_NATIVE = '''
"""Bindings of the tokenizer."""

import ctypes

_library = ctypes.CDLL("libfasttok.so.3")
'''

PROGRAMS: tuple[Program, ...] = (
    Program(
        id="m-import-driver",
        title="A package that is not installed, on the driver",
        primary="app.import-error",
        why="main.py imports a package that is not there.",
        evidence="ModuleNotFoundError: No module named 'lightgbm_plus'",
        source_code="import ray\nimport lightgbm_plus\n\nray.init()\nprint(lightgbm_plus.__version__)\n",
    ),
    Program(
        id="m-import-name",
        title="A name that the module does not have",
        primary="app.import-error",
        why="The standard library has no such name; it was removed from the module.",
        evidence="ImportError: cannot import name 'Mapping' from 'collections'",
        source_code="from loader import load\n\nprint(load())\n",
        files={"loader.py": "from collections import Mapping\n\n\ndef load():\n    return Mapping\n"},
    ),
    Program(
        id="m-import-circular",
        title="Two modules that import each other",
        primary="app.import-error",
        why="schema.py and tables.py import names of each other.",
        evidence="cannot import name 'COLUMNS' from partially initialized module 'schema'",
        source_code="import schema\n\nprint(schema.COLUMNS)\n",
        files={
            "schema.py": "from tables import TABLES\n\nCOLUMNS = [name for table in TABLES for name in table]\n",
            "tables.py": "from schema import COLUMNS\n\nTABLES = [COLUMNS[:2], COLUMNS[2:]]\n",
        },
    ),
    Program(
        id="m-import-shadowed",
        title="A file that hides a module of the standard library",
        primary="app.import-error",
        acceptable=("app.exception",),
        why="The program's own random.py is imported in place of the standard library's, by the standard library.",
        evidence="partially initialized module 'random'",
        # Not beside main.py: there it would hide the module from Ray's own supervisor, which never starts then.
        entrypoint="python app/start.py",
        files={
            "app/start.py": "import random\n\nprint(random.roll())\n",
            "app/random.py": "import random\n\nSEED = random.Random(7)\n\n\ndef roll():\n    return SEED.random()\n",
        },
    ),
    Program(
        id="m-import-shared-object",
        title="A package whose shared object is missing",
        primary="app.import-error",
        acceptable=("app.exception",),
        why="fasttok/__init__.py loads a native library that is not installed.",
        evidence="OSError: libfasttok.so.3: cannot open shared object file: No such file or directory",
        source_code="import ray\n\nimport fasttok\n\nray.init()\nprint(fasttok.encode('a b c'))\n",
        files={"fasttok/__init__.py": _BROKEN_NATIVE},
    ),
    Program(
        id="m-import-worker",
        title="A module that only the driver has",
        primary="app.import-error",
        acceptable=("app.task-exception",),
        why="The driver extends sys.path; workers do not have that directory.",
        evidence="ModuleNotFoundError: No module named 'featurelib'",
        source_code=_ONLY_DRIVER,
    ),
    Program(
        id="m-import-run-module",
        title="python -m with a package that is not there",
        primary="app.import-error",
        acceptable=("app.entrypoint-not-found",),
        why="There is no package of that name in the working directory.",
        evidence="No module named 'trainer'",
        entrypoint="python -m trainer.cli --epochs 3",
    ),
    Program(
        id="m-syntax-bracket",
        title="A bracket that is not closed",
        primary="app.syntax-error",
        why="main.py does not parse.",
        evidence="SyntaxError: '(' was never closed",
        source_code="import ray\n\nray.init(\n\nfor number in range(3):\n    print(number)\n",
    ),
    Program(
        id="m-syntax-indent-module",
        title="Wrong indentation in an imported module",
        primary="app.syntax-error",
        why="steps.py does not parse.",
        evidence="IndentationError: unindent does not match any outer indentation level",
        source_code="print('pipeline v14')\nimport steps\n\nsteps.run()\n",
        files={"steps.py": "def run():\n        total = 0\n    return total\n"},
    ),
    Program(
        id="m-syntax-shell",
        title="A shell script that does not parse",
        primary="app.syntax-error",
        acceptable=("app.exception", "app.usage-error"),
        why="run.sh has a loop without its end.",
        evidence="run.sh: line 5: syntax error: unexpected end of file",
        entrypoint="bash run.sh",
        files={"run.sh": "set -eu\necho preparing\nfor shard in 1 2 3; do\n  echo shard $shard\n"},
    ),
    Program(
        id="m-usage-required",
        title="A required argument is not given",
        primary="app.usage-error",
        why="The entrypoint leaves out --data.",
        evidence="train.py: error: the following arguments are required: --data",
        source_code=_ARGUMENTS,
        entrypoint="python main.py --epochs 5",
    ),
    Program(
        id="m-usage-choice",
        title="An argument with a value that is not allowed",
        primary="app.usage-error",
        why="There is no optimizer of that name.",
        evidence="argument --optimizer: invalid choice: 'adamw'",
        source_code=_ARGUMENTS,
        entrypoint="python main.py --data shards/ --optimizer adamw",
    ),
    Program(
        id="m-usage-settings",
        title="Settings that do not pass their own checks",
        primary="app.usage-error",
        acceptable=("app.exception",),
        why="The program's settings are out of range and of the wrong type.",
        evidence="2 validation errors for Settings",
        source_code=_SETTINGS,
    ),
    Program(
        id="m-missing-script",
        title="The script is not in the working directory",
        primary="app.entrypoint-not-found",
        why="The entrypoint names a file that is not there.",
        evidence="can't open file",
        source_code="print('never run')\n",
        entrypoint="python scripts/train.py --epochs 3",
    ),
    Program(
        id="m-missing-command",
        title="The command is not installed",
        primary="app.entrypoint-not-found",
        why="There is no command of that name on the node.",
        evidence="trainctl: not found",
        entrypoint="trainctl run --config gpu.yaml",
    ),
    Program(
        id="m-missing-command-in-script",
        title="A script that calls a command that is not installed",
        primary="app.entrypoint-not-found",
        acceptable=("app.exception",),
        why="The third line of the script calls a tool that is not there, and the script stops at errors.",
        evidence="gcloudx: command not found",
        entrypoint="bash nightly.sh",
        files={"nightly.sh": "set -euo pipefail\necho fetching data\ngcloudx storage cp gs://bucket/a .\necho done\n"},
    ),
    Program(
        id="m-not-executable",
        title="A script without the permission to be executed",
        primary="app.entrypoint-not-found",
        why="Files of a working directory are unpacked without that permission.",
        evidence="./run.sh: Permission denied",
        entrypoint="chmod -x run.sh; ./run.sh",
        files={"run.sh": "#!/bin/sh\necho hello\n"},
    ),
    Program(
        id="m-bad-interpreter",
        title="A script whose interpreter is not there",
        primary="app.entrypoint-not-found",
        why="The first line of the script names an interpreter that does not exist.",
        evidence="cannot execute: required file not found",
        entrypoint="chmod +x serve-model && bash -c ./serve-model",
        files={"serve-model": "#!/opt/conda/envs/prod/bin/python3.12\nprint('up')\n"},
    ),
)
