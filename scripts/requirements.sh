# shellcheck shell=bash
# What the other scripts need, installed only where it is missing. Sourced, not run.
#
# Programs come from Debian's packages when this is a Debian system and the user is root; otherwise the script says what
# to install and ends. Python packages go into virtual environments in the user's cache, outside the checkout, and npm's beside them.

CHECKOUT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/spindrift"
WASM_TARGET=wasm32-wasip2
COMPONENTS=(put get delete docs)

# In a CI run the checkout is thrown away, so that what was built has to be elsewhere to be of use to the next run.
if [[ ${CI:-} == true ]]; then
  export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$CACHE/target}"
  export CARGO_INCREMENTAL="${CARGO_INCREMENTAL:-0}"
fi

# A relative CARGO_TARGET_DIR is meant from where the caller stands.
TARGET_DIR="${CARGO_TARGET_DIR:-$CHECKOUT/target}"
[[ $TARGET_DIR == /* ]] || TARGET_DIR="$PWD/$TARGET_DIR"
export CARGO_TARGET_DIR="$TARGET_DIR"

fail() {
  echo "$*" >&2
  exit 1
}

# require_program PROGRAM PACKAGE...: the program, from those Debian packages if it is missing.
require_program() {
  local program=$1
  shift
  command -v "$program" >/dev/null && return
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    fail "$program is needed and missing. Install it and run this again (on Debian, as root: apt-get install $*)."
  fi
  echo "installing $* for $program"
  apt_install "$@"
  command -v "$program" >/dev/null || fail "$program is still missing after installing $*."
}

# kubectl with a kustomize that knows `sortOptions`, as 1.27 has. Debian's is older, so where there is none that will do, it
# comes from PyPI, for the steps of one run.
require_kubectl() {
  local minor environment
  minor=$(kubectl version --client --output yaml 2>/dev/null | sed -n 's/^ *minor: *"\{0,1\}\([0-9]*\).*/\1/p') || true
  if ((${minor:-0} < 27)); then
    environment=$(python_environment "$CHECKOUT/scripts/test/kubectl.txt")
    PATH="$environment/bin:$PATH"
  fi
}

apt_install() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update &&
    "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null
}

# cargo, a linker for it, and the target that components are built for.
require_rust() {
  if ! command -v cargo >/dev/null && [[ -f ${CARGO_HOME:-$HOME/.cargo}/env ]]; then
    # shellcheck disable=SC1091 # rustup writes it
    source "${CARGO_HOME:-$HOME/.cargo}/env"
  fi
  command -v cargo >/dev/null || fail "cargo is needed and missing. Install Rust with rustup (https://rustup.rs) and run this again."
  require_program cc gcc libc6-dev
  require_target "$WASM_TARGET"
}

# require_target TARGET: the standard library for that target.
require_target() {
  # In the checkout, rustup picks the toolchain that the checkout asks for, if it asks for one.
  [[ -d $(cd "$CHECKOUT" && rustc --print sysroot)/lib/rustlib/$1 ]] && return
  command -v rustup >/dev/null ||
    fail "The Rust target $1 is missing. Add it to your Rust (with rustup: rustup target add $1)."
  (cd "$CHECKOUT" && rustup target add "$1")
}

# require_cargo_command COMMAND COMPONENT: a cargo command that is a component of rustup's toolchains.
require_cargo_command() {
  (cd "$CHECKOUT" && cargo "$1" --version) >/dev/null 2>&1 && return
  command -v rustup >/dev/null || fail "cargo $1 is needed and missing. Add it to your Rust (with rustup: rustup component add $2)."
  (cd "$CHECKOUT" && rustup component add "$2")
}

# cargo_program NAME VERSION: prints the path of a program from crates.io. It is built once, for the user's cache. It runs in
# `$(...)`, where bash drops `set -e`.
cargo_program() {
  local name=$1 version=$2 folder
  folder="$CACHE/$name-$version"
  if [[ ! -x $folder/bin/$name ]]; then
    echo "building $name $version" >&2
    # In a folder of its own, which cargo deletes. Without optimisation it takes a third of the time.
    env --unset CARGO_TARGET_DIR cargo install --quiet --locked --debug --root "$folder" "$name@$version" >&2 || return
  fi
  echo "$folder/bin/$name"
}

# python_environment REQUIREMENTS: prints the folder of a virtual environment that has those packages and no others. A
# changed list of packages gets an environment of its own. It runs in `$(...)`, where bash drops `set -e`.
python_environment() {
  local requirements=$1 folder sum
  require_program python3 python3 python3-venv >&2
  sum=$(cksum <"$requirements") || return
  folder="$CACHE/python-$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')-${sum%% *}"
  if [[ ! -f $folder/complete ]]; then
    {
      python3 -c 'import ensurepip' 2>/dev/null || install_venv || return
      rm -rf "$folder" &&
        mkdir -p "$CACHE" &&
        python3 -m venv "$folder" &&
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements" &&
        touch "$folder/complete" || return
    } >&2
  fi
  echo "$folder"
}

# node_packages FOLDER: prints the folder `node_modules` with the packages that `package-lock.json` in FOLDER names, from npm. A
# changed list gets a folder of its own. It runs in `$(...)`, where bash drops `set -e`.
node_packages() {
  local listed=$1 folder sum
  require_program npm npm >&2
  sum=$(cat "$listed/package.json" "$listed/package-lock.json" | cksum) || return
  folder="$CACHE/node-${sum%% *}"
  if [[ ! -f $folder/complete ]]; then
    {
      # Packages bring their programs with them: none of their scripts has to run.
      rm -rf "$folder" &&
        mkdir -p "$folder" &&
        cp "$listed/package.json" "$listed/package-lock.json" "$folder" &&
        (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier) &&
        touch "$folder/complete" || return
    } >&2
  fi
  echo "$folder/node_modules"
}

install_venv() {
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    fail "python3 lacks the modules venv and ensurepip. Install them and run this again (on Debian, as root: apt-get install python3-venv)."
  fi
  apt_install python3-venv
}

# The components, each by the command that spin.toml has for it, so that what is tested and measured is what
# `spin build` makes: packages that are built together share the features that any of them asks for.
build_components() {
  local component
  for component in "${COMPONENTS[@]}"; do
    (cd "$CHECKOUT" && cargo build --release --target "$WASM_TARGET" -p "spindrift-$component")
  done
  place_components
}

# spin.toml names the components under target/ of the checkout, wherever cargo was told to build them.
place_components() {
  local built="$TARGET_DIR/$WASM_TARGET/release" placed="$CHECKOUT/target/$WASM_TARGET/release" module
  mkdir -p "$placed"
  if [[ $built -ef $placed ]]; then
    return
  fi
  for module in "$built"/*.wasm; do
    cmp --silent "$module" "$placed/${module##*/}" || cp "$module" "$placed"/
  done
}
