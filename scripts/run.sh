#!/usr/bin/env bash
# Builds the components and the host, and starts the application on 127.0.0.1:3000. Needs only rustup; what else is
# missing is installed, or named.
#
#   scripts/run.sh [ARGUMENT...]     the arguments go to `spindrift up`: scripts/run.sh --listen 127.0.0.1:8080
set -euo pipefail

# shellcheck source=scripts/requirements.sh
source "$(dirname "${BASH_SOURCE[0]}")/requirements.sh"

from=(-f "$CHECKOUT/spin.toml")
for argument in "$@"; do
  case $argument in
  # The caller's own application, or a question that needs none.
  -f* | --from | --from=* | -h | --help) from=() ;;
  --) break ;;
  esac
done

require_rust
build_components
(cd "$CHECKOUT" && cargo build --release -p spindrift --bin spindrift)

exec "$TARGET_DIR/release/spindrift" up ${from[@]+"${from[@]}"} "$@"
