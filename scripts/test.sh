#!/usr/bin/env bash
# Everything that must pass, in one command; installs what it needs. Ends with a line `N passed, N failed`, one count
# for each step, and fails if a step did.
#
#   scripts/test.sh [STEP...]        no step: all of them
#
#   fmt         rustfmt changes nothing
#   scripts     shellcheck, and the Python files compile
#   rooms       no circle of files in host/ crosses a folder or has more than four files; replication has no rooms yet
#   clippy      no lint, in the host, the components, and the components that the tests run
#   doc         rustdoc has nothing to warn of
#   deny        cargo-deny accepts the licence, the source and the version of each dependency (deny.toml)
#   guests      the components, and the ones that the tests run, build for WebAssembly
#   unit        the tests of one host, a registry beside it, and those of the components that need no WebAssembly; the
#               guests first
#   kubernetes  peers in Kubernetes: discovery, bootstrap and roles, against a stand-in for the API server
#   simulation  replication under a simulated network and clock, 1200 seeds, or $SPINDRIFT_SIMULATION_SEEDS
#   cluster     clusters of real processes that are killed, paused and cut off; needs the right to make network namespaces;
#               the guests first
#   api         schemathesis finds nothing between /openapi.json and the answers
#   browser     the Swagger page works in Chromium
#   sdks        applications of Spin's SDKs for Python and JavaScript, built by their own tools, run; takes 1 GB of the cache,
#               and minutes where that has nothing yet
#   examples    the applications in examples/ build by the commands in their manifests, and do what their READMEs show
#   manifests   k8s/ renders, is valid, fits together and to the host, and what would break it is found out; k8s-local.sh
#   upstream    the faults of openraft that docs/upstream reports are still there; it fails once openraft has corrected one
#   image       what the Dockerfile's final stage is made of starts read-only, serves, and stops; needs root, and no engine
set -euo pipefail

# shellcheck source=scripts/requirements.sh
source "$(dirname "${BASH_SOURCE[0]}")/requirements.sh"
cd "$CHECKOUT"

ALL=(fmt scripts rooms clippy doc deny guests unit kubernetes simulation cluster api browser sdks examples manifests upstream image)
# What core modules are built for, of which the host makes components.
MODULE_TARGET=wasm32-wasip1

# Of the step that runs.
scratch=
server=
clean_up() {
  if [[ -n $server ]]; then
    kill "$server" 2>/dev/null || true
    # It limits how long it takes to finish what is under way.
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$scratch"
}

# bounded SECONDS COMMAND...: no step hangs. On a terminal the command stays in the foreground, so that Ctrl-C ends it.
bounded() {
  local limit=$1 foreground=()
  shift
  if [[ -t 0 ]]; then
    foreground=(--foreground)
  fi
  timeout ${foreground[@]+"${foreground[@]}"} --kill-after=20 "$limit" "$@" || {
    local status=$?
    if [[ $status == 124 || $status == 137 ]]; then
      echo "stopped after $limit s: $*" >&2
    fi
    return "$status"
  }
}

# The names of the packages in these folders, as arguments for cargo.
packages_in() {
  local manifest
  for manifest in "$@"; do
    if [[ -f $manifest/Cargo.toml ]]; then
      sed -n '/^\[package\]/,/^\[/ s/^name *= *"\(.*\)".*/-p\n\1/p' "$manifest/Cargo.toml"
    fi
  done
}

# Cargo gets all native packages in each step. With fewer packages it picks fewer features, and builds Wasmtime again.
mapfile -t NATIVE < <(packages_in host/* components/api components/docs)

step_fmt() {
  require_cargo_command fmt rustfmt
  bounded 120 cargo fmt --all --check
  local manifest
  for manifest in examples/*/Cargo.toml; do
    bounded 60 cargo fmt --check --manifest-path "$manifest"
  done
}

step_scripts() {
  require_program shellcheck shellcheck
  require_program python3 python3 python3-venv
  bounded 60 shellcheck --external-sources --source-path="$CHECKOUT" scripts/*.sh .ci/run
  local file
  for file in scripts/*/*.py; do
    python3 -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' "$file"
  done
}

step_rooms() {
  require_program python3 python3 python3-venv
  bounded 60 python3 scripts/test/cycles.py --except replication
}

step_clippy() {
  require_cargo_command clippy clippy
  bounded 2400 cargo clippy "${NATIVE[@]}" --all-targets -- -D warnings
  local wasm
  mapfile -t wasm < <(packages_in components/* host/spindrift/tests/guests/*)
  bounded 1200 cargo clippy --target "$WASM_TARGET" "${wasm[@]}" -- -D warnings
  # No members of the workspace.
  local manifest
  for manifest in examples/*/Cargo.toml; do
    bounded 600 cargo clippy --target "$WASM_TARGET" --target-dir "$TARGET_DIR/examples/target" --manifest-path "$manifest" \
      -- -D warnings
  done
}

step_doc() {
  local wasm
  mapfile -t wasm < <(packages_in components/*)
  RUSTDOCFLAGS="-D warnings" bounded 1800 cargo doc --no-deps "${NATIVE[@]}"
  RUSTDOCFLAGS="-D warnings" bounded 900 cargo doc --no-deps --target "$WASM_TARGET" "${wasm[@]}"
}

step_deny() {
  local deny
  deny=$(cargo_program cargo-deny 0.20.2)
  bounded 300 "$deny" --locked check bans licenses sources
}

step_guests() {
  build_components
  local guests
  mapfile -t guests < <(packages_in host/spindrift/tests/guests/*)
  if ((${#guests[@]})); then
    bounded 1200 cargo build --release --target "$WASM_TARGET" "${guests[@]}"
  fi
  # Some of them as core modules, too.
  require_target "$MODULE_TARGET"
  bounded 1200 cargo build --release --target "$MODULE_TARGET" -p guest-kv2 -p guest-env -p guest-outbound2
  place_components
}

step_unit() {
  require_program docker-registry docker-registry
  step_guests
  bounded 2700 cargo test "${NATIVE[@]}" --no-fail-fast --lib --bins --test it
  bounded 600 cargo test "${NATIVE[@]}" --doc
}

step_kubernetes() {
  bounded 2700 cargo test "${NATIVE[@]}" --test kubernetes --no-fail-fast
}

step_simulation() {
  # Optimised, where the rest of the tests is not: openraft becomes code in our crate, and a run takes a sixth of the time.
  local cargo=(cargo --config 'profile.dev.package.spindrift-replication.opt-level=1'
    --config 'profile.dev.package.spindrift-store.opt-level=1' test)
  bounded 2400 "${cargo[@]}" "${NATIVE[@]}" --test simulation --no-run
  SPINDRIFT_SIMULATION_SEEDS=${SPINDRIFT_SIMULATION_SEEDS:-1200} \
    bounded 1500 "${cargo[@]}" "${NATIVE[@]}" --test simulation -- --nocapture
}

step_cluster() {
  require_program ip iproute2
  require_program nft nftables
  step_guests
  # Built first, so that the limit is the tests' own: they take about four minutes on two idle cores.
  bounded 2400 cargo test "${NATIVE[@]}" --test cluster --no-run
  bounded 1500 cargo test "${NATIVE[@]}" --test cluster --no-fail-fast
}

# The application on a free port of the loopback interface, for as long as the step runs; sets `url`.
start_application() {
  local port log=$scratch/application.log deadline
  build_components
  # As `cargo test` builds it, so that nothing is built twice.
  bounded 2400 cargo test "${NATIVE[@]}" --no-run
  [[ -x $TARGET_DIR/debug/spindrift ]] || bounded 2400 cargo build -p spindrift --bin spindrift
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  url=http://127.0.0.1:$port
  "$TARGET_DIR/debug/spindrift" up -f spin.toml --listen "127.0.0.1:$port" >"$log" 2>&1 &
  server=$!
  deadline=$((SECONDS + 120))
  until curl --silent --fail --max-time 5 --output /dev/null "$url/openapi.json"; do
    if ! kill -0 "$server" 2>/dev/null || ((SECONDS > deadline)); then
      echo "the application does not answer at $url/openapi.json:" >&2
      tail -n 50 "$log" >&2
      return 1
    fi
    sleep 0.2
  done
}

# A failure is easier to read with what the application said about it.
show_log_if_failed() {
  local status=$1
  if [[ $status != 0 ]]; then
    echo "the application's last lines:" >&2
    tail -n 50 "$scratch/application.log" >&2
  fi
  return "$status"
}

step_api() {
  require_program curl curl ca-certificates
  local python status=0
  python=$(python_environment "$CHECKOUT/scripts/test/requirements.txt")
  start_application
  (
    cd "$scratch"
    bounded 600 "$python/bin/schemathesis" run "$url/openapi.json" --seed 20 --max-examples 100 --request-timeout 10 \
      --continue-on-failure --generation-database none --no-color
  ) || status=$?
  show_log_if_failed "$status"
}

step_browser() {
  require_program curl curl ca-certificates
  require_program chromium chromium
  require_program chromedriver chromium-driver
  local python status=0
  python=$(python_environment "$CHECKOUT/scripts/test/requirements.txt")
  start_application
  bounded 240 "$python/bin/python" scripts/test/swagger.py "$url" || status=$?
  show_log_if_failed "$status"
}

step_sdks() {
  local python node
  python=$(python_environment "$CHECKOUT/scripts/test/sdks/python/requirements.txt")
  node=$(node_packages "$CHECKOUT/scripts/test/sdks/javascript")
  # As `cargo test` builds it, so that nothing is built twice.
  bounded 2400 cargo test "${NATIVE[@]}" --no-run
  # Most of it is for the compilers on a slow machine, if nothing is in the cache.
  bounded 2400 python3 scripts/test/sdks.py "$TARGET_DIR/debug/spindrift" "$CACHE/sdks" "python=$python/bin" "javascript=$node"
}

step_examples() {
  local python
  python=$(python_environment "$CHECKOUT/examples/guestbook/requirements.txt")
  # As `cargo test` builds it, so that nothing is built twice.
  bounded 2400 cargo test "${NATIVE[@]}" --no-run
  # Most of it is for the compilers on a slow machine, if nothing is in the cache.
  bounded 2400 python3 scripts/test/examples.py "$TARGET_DIR/debug/spindrift" "$TARGET_DIR/examples" "$CACHE/examples" "$python/bin"
}

step_manifests() {
  require_kubectl
  local python
  python=$(python_environment "$CHECKOUT/scripts/test/requirements.txt")
  bounded 300 "$python/bin/python" scripts/test/manifests.py
  bounded 300 python3 scripts/test/local_cluster.py
}

step_upstream() {
  local manifest=docs/upstream/openraft/Cargo.toml
  bounded 120 cargo fmt --manifest-path "$manifest" --check
  local cargo=(--locked --manifest-path "$manifest")
  bounded 900 cargo clippy "${cargo[@]}" --all-targets -- -D warnings
  bounded 900 cargo test "${cargo[@]}"
}

step_image() {
  require_kubectl
  require_program ip iproute2
  [[ $(id -u) == 0 ]] || fail "the image is tried out in a root file system of its own, which takes root"
  local python
  python=$(python_environment "$CHECKOUT/scripts/test/requirements.txt")
  build_components
  # As `cargo test` builds it, so that nothing is built twice.
  bounded 2400 cargo test "${NATIVE[@]}" --no-run
  bounded 600 unshare --net --mount --propagation private "$python/bin/python" scripts/test/image.py "$TARGET_DIR"
}

steps=("${@:-${ALL[@]}}")
for step in "${steps[@]}"; do
  [[ " ${ALL[*]} " == *" $step "* ]] || fail "there is no step '$step'; there are: ${ALL[*]}"
done

export PYTHONDONTWRITEBYTECODE=1
require_rust

passed=()
failed=()
for step in "${steps[@]}"; do
  echo "==> $step"
  began=$SECONDS
  set +e
  # A shell of its own: the first command that fails ends the step, and its server ends with it.
  (
    set -e
    scratch=$(mktemp -d)
    trap clean_up EXIT
    "step_$step"
  )
  status=$?
  set -e
  if [[ $status == 0 ]]; then
    echo "==> $step passed in $((SECONDS - began)) s"
    passed+=("$step")
  else
    echo "==> $step FAILED in $((SECONDS - began)) s"
    failed+=("$step")
  fi
done

echo
if ((${#failed[@]})); then
  echo "failed: ${failed[*]}"
fi
echo "${#passed[@]} passed, ${#failed[@]} failed"
((${#failed[@]} == 0))
