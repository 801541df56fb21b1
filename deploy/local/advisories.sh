#!/usr/bin/env bash
# Are there advisories about a version that is locked? Asks an advisory source about each package, so it is for machines
# that reach one: no answer is no answer, and fails, also where it is about a single package (--strict).
#   make advisories                                        asks PyPI
#   make advisories ARGS="--vulnerability-service osv"     asks OSV
set -euo pipefail
cd "$(dirname "$0")/../.."

own=$(mktemp -d)
trap 'rm -rf "$own"' EXIT
# A cache of its own: what was answered on another day is no answer. The development lock has every package of the other
# one, in the same version (lock.sh).
if .venv/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off --timeout 30 \
    --cache-dir "$own/cache" --requirement requirements-dev.lock "$@" 2>"$own/said"; then
    echo "no advisory about any of the locked versions"
else
    tail -n 3 "$own/said" | cut -c 1-300 >&2
    echo "error: there is an advisory about a locked version, or the source did not answer for each of them" >&2
    echo "next:  raise what is named above (\`make lock ARGS='--upgrade-package NAME'\`), or run it where a source answers" >&2
    exit 1
fi
