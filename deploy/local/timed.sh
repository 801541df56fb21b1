#!/usr/bin/env bash
# Run make targets one after the other and say how long each took; stop at the first that fails.
set -euo pipefail
cd "$(dirname "$0")/../.."

timings=()
for target in "$@"; do
    printf -- '--- %s\n' "$target"
    begun=$SECONDS
    if make --no-print-directory "$target" QUIET=1; then
        timings+=("$(printf '%-12s %4d s' "$target" $((SECONDS - begun)))")
    else
        printf '\n%s failed after %d s\n' "$target" $((SECONDS - begun)) >&2
        exit 1
    fi
done
printf '\n'
printf '%s\n' "${timings[@]}" "$(printf '%-12s %4d s' total $SECONDS)"
