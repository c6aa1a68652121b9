#!/usr/bin/env bash
# Compares spindrift with others under load, in one go on this machine, and writes what it finds to docs/benchmarks.md.
# Installs and builds what it needs. Let nothing else run meanwhile.
#
#   scripts/bench.sh [ARGUMENT...]           one node: with a native twin and with the FastAPI original's twin; 10 minutes
#   scripts/bench.sh cluster [ARGUMENT...]   three nodes: with etcd, one node, Redis, and each other; 40 minutes
#
# --help, after `cluster` or without it, lists the arguments.
set -euo pipefail

# shellcheck source=scripts/requirements.sh
source "$(dirname "${BASH_SOURCE[0]}")/requirements.sh"

benchmark=run
if [[ ${1:-} == cluster ]]; then
  benchmark=cluster
  shift
fi

export PYTHONDONTWRITEBYTECODE=1
require_program python3 python3 python3-venv
for argument in "$@"; do
  case $argument in
  -h | --help) exec python3 "$CHECKOUT/scripts/bench/$benchmark.py" --help ;;
  esac
done

require_program wrk wrk
if [[ $benchmark == cluster ]]; then
  require_program etcd etcd-server
  require_program redis-server redis-server
fi
require_rust
build_components
if [[ $benchmark == cluster && " $* " == *" --pgo "* ]]; then
  program=$("$CHECKOUT/scripts/pgo.sh")
else
  # A command of its own: the host must not get features that only examples and tests ask for.
  (cd "$CHECKOUT" && cargo build --release -p spindrift --bin spindrift)
  program=$TARGET_DIR/release/spindrift
fi
programs=(--spindrift-program="$program")
if [[ $benchmark == run ]]; then
  python=$(python_environment "$CHECKOUT/scripts/bench/requirements.txt")
  (cd "$CHECKOUT" && cargo build --release -p spindrift --example native_twin)
  programs+=(--native-twin-program="$TARGET_DIR/release/examples/native_twin" --python-program="$python/bin/python")
fi

exec python3 "$CHECKOUT/scripts/bench/$benchmark.py" "$@" "${programs[@]}"
