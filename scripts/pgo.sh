#!/usr/bin/env bash
# Builds the host twice: once so that it counts what runs how often, while a cluster is under the load of the benchmarks,
# and once more with what was counted (profile-guided optimisation). The second one answers about a quarter more requests
# a second than what `cargo build --release` makes, and takes more than twice as long to build.
#
#   scripts/pgo.sh     prints the path of the program, target/pgo/spindrift
#
# The profile is not kept: it fits the sources, the compiler and the dependencies that it was made with.
#
# https://doc.rust-lang.org/rustc/profile-guided-optimization.html
set -euo pipefail

# shellcheck source=scripts/requirements.sh
source "$(dirname "${BASH_SOURCE[0]}")/requirements.sh"

case ${1:-} in
'') ;;
-h | --help)
  sed -n '2,/^set /{s/^# \{0,1\}//;/^set /!p}' "${BASH_SOURCE[0]}"
  exit
  ;;
*) fail "scripts/pgo.sh takes no arguments; see scripts/pgo.sh --help" ;;
esac

require_program wrk wrk
require_program python3 python3
require_rust

# What merges the profiles of several processes; of the compiler's own version, or it could not read them.
host=$(cd "$CHECKOUT" && rustc -vV | sed -n 's/^host: //p')
profdata="$(cd "$CHECKOUT" && rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata"
if [[ ! -x $profdata ]]; then
  command -v rustup >/dev/null || fail "llvm-profdata is needed and missing at $profdata. Add llvm-tools to your Rust."
  (cd "$CHECKOUT" && rustup component add llvm-tools)
fi

# build FLAG: prints the program. With a target given, the flag is not for build scripts and procedural macros.
build() {
  (cd "$CHECKOUT" && RUSTFLAGS="${RUSTFLAGS:-} $1" CARGO_TARGET_DIR="$TARGET_DIR/pgo" \
    cargo build --locked --release --target "$host" -p spindrift --bin spindrift) >&2
  echo "$TARGET_DIR/pgo/$host/release/spindrift"
}

build_components >&2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
counting=$(build -Cprofile-generate)
PYTHONDONTWRITEBYTECODE=1 LLVM_PROFILE_FILE="$scratch/profiles/%p.profraw" \
  python3 "$CHECKOUT/scripts/bench/train.py" "$counting" >&2
"$profdata" merge --output="$scratch/spindrift.profdata" "$scratch/profiles"

program=$(build "-Cprofile-use=$scratch/spindrift.profdata")
cp "$program" "$TARGET_DIR/pgo/spindrift"
echo "$TARGET_DIR/pgo/spindrift"
