#!/usr/bin/env bash
# Writes docs/reference.md, which the program itself generates. A unit test of `spindrift` fails while the file is out of date.
set -euo pipefail
cd "$(dirname "$0")/.."

# Not straight into the file: a build that fails would leave it empty.
page=$(cargo run --quiet -p spindrift -- reference)
printf '%s\n' "$page" > docs/reference.md
