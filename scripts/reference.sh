#!/usr/bin/env bash
# Writes docs/reference.md, which the program itself generates. A unit test of `spindrift` fails while the page is out of date.
#
#   scripts/reference.sh
set -euo pipefail

# shellcheck source=scripts/requirements.sh
source "$(dirname "${BASH_SOURCE[0]}")/requirements.sh"

require_rust
# As scripts/run.sh builds it, so that only what has changed is built.
(cd "$CHECKOUT" && cargo build --release -p spindrift --bin spindrift)

# By way of another file: an error must not leave the page empty.
page="$CHECKOUT/docs/reference.md"
"$TARGET_DIR/release/spindrift" reference > "$page.new"
mv "$page.new" "$page"
