#!/usr/bin/env bash
# Starts a cluster of N nodes (default 3) on this machine and prints where they listen. The first node forms the cluster,
# the others join it; each is told of all, so that it finds them when it is started again. Builds what it needs, and returns
# when all nodes are ready.
#
#   scripts/cluster.sh [N] [ARGUMENT...]   the arguments go to every node's `spindrift up`
#   scripts/cluster.sh stop                ends exactly those nodes, each of which leaves the cluster as it goes
#
# Node 1 answers on 127.0.0.1:3001, speaks to the others on 7001 and tells of itself on 9001; node 2 on 3002, 7002 and
# 9002, and so on. SPINDRIFT_HTTP_PORT, SPINDRIFT_PEER_PORT and SPINDRIFT_ADMIN_PORT move the ports of node 1.
set -euo pipefail

# shellcheck source=scripts/requirements.sh
source "$(dirname "${BASH_SOURCE[0]}")/requirements.sh"

STATE="${XDG_RUNTIME_DIR:-/tmp}/spindrift-cluster-$(id -u)"
HTTP_PORT=${SPINDRIFT_HTTP_PORT:-3001}
PEER_PORT=${SPINDRIFT_PEER_PORT:-7001}
ADMIN_PORT=${SPINDRIFT_ADMIN_PORT:-9001}
MAX_NODES=15
# Seconds.
READY_WITHIN=120
STOPPED_WITHIN=60

# What tells a process from a later one with the same id: when it started, in clock ticks since boot.
start_time_of() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return
  # The name may have spaces and brackets in it; field 22 is the 20th after it.
  awk '{ print $20 }' <<<"${stat##*) }"
}

# is_ours FILE: whether the process that a state file names still runs.
is_ours() {
  local pid started
  read -r pid started <"$1" && [[ $pid =~ ^[0-9]+$ && $(start_time_of "$pid") == "$started" ]]
}

# Nobody else may have made the folder, to have our processes read their files or us end theirs.
check_state() {
  [[ -d $STATE && ! -L $STATE && -O $STATE ]] ||
    fail "$STATE is not a folder of yours. Remove it, or set XDG_RUNTIME_DIR to a folder that is."
}

stop() {
  local file pid count=0 deadline=$((SECONDS + STOPPED_WITHIN))
  if [[ ! -e $STATE ]]; then
    echo "no nodes are running"
    return
  fi
  check_state
  # The last one first, and one at a time: each hands over what it has to those that are left.
  while read -r file; do
    if is_ours "$file"; then
      read -r pid _ <"$file"
      kill -TERM "$pid" || true
      while is_ours "$file"; do
        if ((SECONDS > deadline)); then
          echo "node ${file##*-} (process $pid) does not end within $STOPPED_WITHIN s and is killed" >&2
          kill -KILL "$pid" || true
          deadline=$((SECONDS + STOPPED_WITHIN))
        fi
        sleep 0.1
      done
      count=$((count + 1))
    fi
    rm -f "$file"
  done < <(find "$STATE" -maxdepth 1 -name 'node-*' ! -name '*.log' | sort -rV)
  rm -rf "$STATE"
  echo "$count nodes stopped"
}

# start_node N ARGUMENT...: starts a node and notes its process.
start_node() {
  local number=$1 pid
  shift
  "$TARGET_DIR/release/spindrift" up -f "$CHECKOUT/spin.toml" \
    --runtime-config-file "$STATE/runtime-config.toml" \
    --listen "127.0.0.1:$((HTTP_PORT + number - 1))" \
    --peer-listen "127.0.0.1:$((PEER_PORT + number - 1))" \
    --admin-listen "127.0.0.1:$((ADMIN_PORT + number - 1))" \
    "$@" </dev/null >"$STATE/node-$number.log" 2>&1 &
  pid=$!
  echo "$pid $(start_time_of "$pid")" >"$STATE/node-$number"
  disown "$pid"
}

wait_until_ready() {
  local number=$1 deadline=$((SECONDS + READY_WITHIN))
  until curl --silent --fail --max-time 5 --output /dev/null "http://127.0.0.1:$((ADMIN_PORT + number - 1))/ready"; do
    if ! is_ours "$STATE/node-$number" || ((SECONDS > deadline)); then
      echo "node $number is not ready; the end of its log:" >&2
      tail -n 20 "$STATE/node-$number.log" >&2
      stop >&2
      exit 1
    fi
    sleep 0.2
  done
}

start() {
  local nodes=$1 number all=()
  shift
  if [[ -e $STATE ]]; then
    check_state
    for number in $(seq "$MAX_NODES"); do
      if [[ -e $STATE/node-$number ]] && is_ours "$STATE/node-$number"; then
        fail "a cluster is running; end it first: scripts/cluster.sh stop"
      fi
    done
    rm -rf "$STATE"
  fi
  require_program curl curl ca-certificates
  require_rust
  build_components
  (cd "$CHECKOUT" && cargo build --release -p spindrift --bin spindrift)

  # Fails where somebody else was faster.
  mkdir -m 700 "$STATE"
  cat >"$STATE/runtime-config.toml" <<TOML
[key_value_store.default]
type = "replicated"
TOML
  for number in $(seq "$nodes"); do
    all+=(--join "127.0.0.1:$((PEER_PORT + number - 1))")
  done
  start_node 1 --bootstrap "${all[@]}" "$@"
  for number in $(seq 2 "$nodes"); do
    start_node "$number" "${all[@]}" "$@"
  done
  for number in $(seq "$nodes"); do
    wait_until_ready "$number"
  done

  printf '%-6s %-24s %-18s %s\n' NODE HTTP PEER ADMIN
  for number in $(seq "$nodes"); do
    printf '%-6s %-24s %-18s %s\n' "$number" "http://127.0.0.1:$((HTTP_PORT + number - 1))" \
      "127.0.0.1:$((PEER_PORT + number - 1))" "http://127.0.0.1:$((ADMIN_PORT + number - 1))"
  done
  echo
  echo "logs:    $STATE/node-*.log"
  echo "status:  $TARGET_DIR/release/spindrift status --node 127.0.0.1:$PEER_PORT"
  echo "stop:    scripts/cluster.sh stop"
}

case ${1:-} in
stop)
  (($# == 1)) || fail "scripts/cluster.sh stop takes no arguments"
  stop
  ;;
-h | --help) sed -n '2,/^set /{s/^# \{0,1\}//;/^set /!p}' "${BASH_SOURCE[0]}" ;;
'' | -*) start 3 "$@" ;;
*)
  if ! [[ $1 =~ ^[0-9]{1,2}$ ]] || ((10#$1 < 1 || 10#$1 > MAX_NODES)); then
    fail "'$1' is no number of nodes from 1 to $MAX_NODES; see scripts/cluster.sh --help"
  fi
  nodes=$((10#$1))
  shift
  start "$nodes" "$@"
  ;;
esac
