#!/usr/bin/env bash
# Pin the dependencies of pyproject.toml, with the hashes of every file that the index offers for each release, for all
# systems and Pythons that are supported. The result names no index and no path of this machine.
set -euo pipefail
cd "$(dirname "$0")/../.."

common=(pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url
    --no-emit-find-links --custom-compile-command 'make lock')
.venv/bin/uv "${common[@]}" "$@" --output-file requirements.lock
.venv/bin/uv "${common[@]}" "$@" --extra dev --output-file requirements-dev.lock
# Every package that runs is the one that is tested.
if ! diff <(grep -o '^[a-z0-9._-]*==[^ ]*' requirements.lock) \
    <(grep -o '^[a-z0-9._-]*==[^ ]*' requirements-dev.lock) | grep '^<' >&2; then
    echo "requirements.lock and requirements-dev.lock agree"
else
    echo "error: the packages above are pinned differently in requirements-dev.lock" >&2
    echo "next:  run \`make lock ARGS=--upgrade\`, or constrain them in pyproject.toml" >&2
    exit 1
fi
