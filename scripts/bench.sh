#!/usr/bin/env bash
# Compares spindrift with a native twin and with the FastAPI original's twin under wrk, in one go on this machine, and
# writes the table to docs/benchmarks.md. Installs and builds what it needs. About 10 minutes when everything is built;
# let nothing else run meanwhile.
#
#   scripts/bench.sh [--rounds N] [--seconds N] [--servers spindrift,fresh,native,fastapi] [--output FILE]   (--help: all)
set -euo pipefail

# shellcheck source=scripts/requirements.sh
source "$(dirname "${BASH_SOURCE[0]}")/requirements.sh"

export PYTHONDONTWRITEBYTECODE=1
require_program python3 python3 python3-venv
for argument in "$@"; do
  case $argument in
  -h | --help) exec python3 "$CHECKOUT/scripts/bench/run.py" --help ;;
  esac
done

require_program wrk wrk
require_rust
python=$(python_environment "$CHECKOUT/scripts/bench/requirements.txt")

build_components
(
  cd "$CHECKOUT"
  # Two commands: the host must not get features that only examples and tests ask for.
  cargo build --release -p spindrift --bin spindrift
  cargo build --release -p spindrift --example native_twin
)

exec python3 "$CHECKOUT/scripts/bench/run.py" "$@" \
  --spindrift-program="$TARGET_DIR/release/spindrift" \
  --native-twin-program="$TARGET_DIR/release/examples/native_twin" \
  --python-program="$python/bin/python"
