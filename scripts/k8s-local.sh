#!/usr/bin/env bash
# Spindrift in a local Kubernetes cluster: builds the image, loads it into a cluster named `spindrift` of k3d, kind or
# minikube, whichever is there first, applies k8s/overlays/deployment, waits until all pods are ready, and forwards a port
# to them until Ctrl-C. Makes the cluster if there is none; touches no other.
#
#   scripts/k8s-local.sh            again after a change: the pods are replaced one by one
#   scripts/k8s-local.sh delete     deletes that cluster
#
# SPINDRIFT_HTTP_PORT is the port on this machine, 3000 unless it is set. If the nodes have too little room for the requests of
# the pods in k8s/, the pods request less here.
set -euo pipefail

# shellcheck source=scripts/requirements.sh
source "$(dirname "${BASH_SOURCE[0]}")/requirements.sh"

CLUSTER=spindrift
NAMESPACE=spindrift
OVERLAY="$CHECKOUT/k8s/overlays/deployment"
PORT=${SPINDRIFT_HTTP_PORT:-3000}
# The HorizontalPodAutoscaler's least.
PODS=3
# The requests of the pods in k8s/, then smaller ones to try: thousandths of a CPU, MiB.
CPU_REQUESTS=(500 400 300 250 200 150 100 50)
MEMORY_REQUESTS=(1024 768 512 384 256)
# Seconds.
READY_WITHIN=300
ANSWERS_WITHIN=30

# The tool that makes clusters here.
cluster_tool() {
  local tool
  for tool in k3d kind minikube; do
    if command -v "$tool" >/dev/null; then
      echo "$tool"
      return
    fi
  done
  fail "a local cluster is made with k3d, kind or minikube, and none of them is here. Install one (k3d: https://k3d.io," \
    "kind: https://kind.sigs.k8s.io, minikube: https://minikube.sigs.k8s.io) and run this again."
}

# The name that kubectl has for the cluster.
context() {
  case $tool in
  k3d) echo "k3d-$CLUSTER" ;;
  kind) echo "kind-$CLUSTER" ;;
  minikube) echo "$CLUSTER" ;;
  esac
}

cluster_exists() {
  case $tool in
  k3d) k3d cluster get "$CLUSTER" ;;
  kind) kind get nodes --name "$CLUSTER" 2>/dev/null | grep . ;;
  minikube) minikube status --profile "$CLUSTER" ;;
  esac >/dev/null 2>&1
}

create_cluster() {
  echo "making a cluster named $CLUSTER with $tool"
  case $tool in
  k3d) k3d cluster create "$CLUSTER" --wait ;;
  kind) kind create cluster --name "$CLUSTER" --wait 120s ;;
  minikube) minikube start --profile "$CLUSTER" ;;
  esac
}

# load ARCHIVE: has the cluster's nodes hold the image, so that they pull nothing.
load() {
  case $tool in
  k3d) k3d image import "$1" --cluster "$CLUSTER" ;;
  kind) kind load image-archive "$1" --name "$CLUSTER" ;;
  minikube) minikube image load "$1" --profile "$CLUSTER" ;;
  esac
}

delete_cluster() {
  case $tool in
  k3d) k3d cluster delete "$CLUSTER" ;;
  kind) kind delete cluster --name "$CLUSTER" ;;
  minikube) minikube delete --profile "$CLUSTER" ;;
  esac
}

# kubectl, in that cluster and whatever the current one is.
kube() {
  kubectl --context "$(context)" --namespace "$NAMESPACE" "$@"
}

# The room of each node in thousandths of a CPU and MiB: what it has for pods, less the requests of pods that are not ours.
room() {
  {
    kube get nodes --output 'jsonpath={range .items[*]}node {.metadata.name} {.status.allocatable.cpu} {.status.allocatable.memory} {.spec.taints[*].effect}{"\n"}{end}'
    kube get pods --all-namespaces --field-selector 'status.phase!=Succeeded,status.phase!=Failed' \
      --output 'jsonpath={range .items[*]}pod {.spec.nodeName} {.metadata.namespace}{range .spec.containers[*]} {.resources.requests.cpu},{.resources.requests.memory}{end}{"\n"}{end}'
  } | awk -v own="$NAMESPACE" '
    function cpu(quantity) { return quantity ~ /m$/ ? quantity + 0 : quantity * 1000 }
    function mib(quantity) {
      if (quantity ~ /Ki$/) return quantity / 1024
      if (quantity ~ /Mi$/) return quantity + 0
      if (quantity ~ /Gi$/) return quantity * 1024
      if (quantity ~ /[kK]$/) return quantity / 1048.576
      if (quantity ~ /M$/) return quantity / 1.048576
      if (quantity ~ /G$/) return quantity * 953.674
      return quantity / 1048576
    }
    $1 == "node" && !/NoSchedule|NoExecute/ { cpus[$2] = cpu($3); memory[$2] = mib($4) }
    $1 == "pod" && ($2 in cpus) && $3 != own {
      for (field = 4; field <= NF; field++) {
        split($field, request, ",")
        cpus[$2] -= cpu(request[1])
        memory[$2] -= mib(request[2])
      }
    }
    END { for (node in cpus) print node, int(cpus[node]), int(memory[node]) }'
}

# fitting ROOM CPU MEMORY: how many pods with these requests fit.
fitting() {
  awk -v cpu="$2" -v memory="$3" '
    NF { by_cpu = int($2 / cpu); by_memory = int($3 / memory); fit = by_cpu < by_memory ? by_cpu : by_memory; sum += fit > 0 ? fit : 0 }
    END { print sum + 0 }' <<<"$1"
}

# The largest requests with which all pods fit, and one more pod, as in a rolling update. Sets `cpu` and `memory`.
choose_requests() {
  local room
  room=$(room)
  for memory in "${MEMORY_REQUESTS[@]}"; do
    for cpu in "${CPU_REQUESTS[@]}"; do
      if (($(fitting "$room" "$cpu" "$memory") > PODS)); then
        return
      fi
    done
  done
  fail "$PODS pods, and one more in a rolling update, request at least ${cpu}m CPU and ${memory}Mi of memory each, and there is" \
    "room for $(fitting "$room" "$cpu" "$memory"): $(awk 'NF { printf "%s has %dm and %dMi left; ", $1, $2, $3 }' <<<"$room")give" \
    "the cluster more (of minikube: --cpus, --memory; of k3d and kind: what docker may use), or delete what else runs in it"
}

# The overlay, with requests that fit here. Sets `overlay`.
overlay_that_fits() {
  local cpu memory
  choose_requests
  overlay=$OVERLAY
  if ((cpu == CPU_REQUESTS[0] && memory == MEMORY_REQUESTS[0])); then
    return
  fi
  echo "the nodes have no room for what the pods request in k8s/: here they request ${cpu}m CPU and ${memory}Mi of memory"
  overlay=$CHECKOUT/target/k8s-local
  mkdir -p "$overlay"
  cat >"$overlay/kustomization.yaml" <<EOF
# Written by scripts/k8s-local.sh.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - ../../k8s/overlays/deployment
patches:
  - patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata:
        name: spindrift
        namespace: $NAMESPACE
      spec:
        template:
          spec:
            containers:
              - name: spindrift
                resources:
                  requests:
                    cpu: ${cpu}m
                    memory: ${memory}Mi
EOF
}

ready_pods() {
  local ready
  ready=$(kube get deployment spindrift --output 'jsonpath={.status.readyReplicas}' 2>/dev/null) || true
  echo "${ready:-0}"
}

wait_until_ready() {
  local deadline=$((SECONDS + READY_WITHIN))
  echo "waiting for $PODS pods to be ready"
  if kube rollout status deployment/spindrift --timeout "${READY_WITHIN}s"; then
    # A rollout is complete with as many pods as the Deployment has at that moment.
    until (($(ready_pods) >= PODS)); do
      ((SECONDS < deadline)) || break
      sleep 1
    done
  fi
  if (($(ready_pods) < PODS)); then
    {
      echo "the pods are not ready within $READY_WITHIN s:"
      kube get pods --output wide || true
      kube get events --sort-by .lastTimestamp | tail -n 20 || true
      kube logs --selector app.kubernetes.io/name=spindrift --tail 20 --prefix || true
    } >&2
    exit 1
  fi
}

forwarding=
stop_forwarding() {
  if [[ -n $forwarding ]]; then
    kill "$forwarding" 2>/dev/null || true
  fi
}

# Forwards to any of the pods, and to another one when that one goes, until Ctrl-C.
forward() {
  local deadline=$((SECONDS + ANSWERS_WITHIN)) url="http://127.0.0.1:$PORT"
  trap stop_forwarding EXIT
  trap 'exit 0' INT TERM
  (
    trap 'kill "$child" 2>/dev/null; exit' TERM
    while true; do
      # Not by `kube`, whose process would not be kubectl's.
      kubectl --context "$(context)" --namespace "$NAMESPACE" port-forward service/spindrift "$PORT:80" >/dev/null &
      child=$!
      wait "$child" || true
      sleep 1
    done
  ) &
  forwarding=$!
  until curl --silent --fail --max-time 5 --output /dev/null "$url/.well-known/spindrift/ready"; do
    ((SECONDS < deadline)) || fail "nothing answers at $url. Is port $PORT taken? SPINDRIFT_HTTP_PORT sets another one."
    sleep 0.5
  done
  echo
  kube get pods --label-columns spindrift.dev/role
  echo
  echo "address:  $url (until Ctrl-C; the cluster stays)"
  echo "try:      curl -X PUT $url/put -d '{\"key\":\"greeting\",\"value\":\"hello\"}' && curl $url/get/greeting"
  echo "leader:   kubectl --context $(context) --namespace $NAMESPACE get lease"
  echo "delete:   scripts/k8s-local.sh delete"
  wait "$forwarding"
}

start() {
  local image scratch overlay is_new=true
  require_kubectl
  require_program curl curl ca-certificates
  cluster_exists || create_cluster
  image=$(kubectl kustomize "$OVERLAY" | sed -n 's/^ *image: *//p')
  scratch=$(mktemp -d)
  # shellcheck disable=SC2064 # now, since it is a local variable
  trap "rm -rf '$scratch'" EXIT
  # By its full name, which podman and buildah would otherwise make another one of than Kubernetes does.
  [[ $image == */* ]] || image=docker.io/library/$image
  "$CHECKOUT/scripts/image.sh" --archive "$scratch/image.tar" "$image"
  load "$scratch/image.tar"
  rm -rf "$scratch"
  if kube get deployment spindrift >/dev/null 2>&1; then
    is_new=false
  fi
  overlay_that_fits
  kube apply --kustomize "$overlay"
  if $is_new; then
    # The autoscaler would do it after 15 s.
    kube scale deployment/spindrift --replicas "$PODS"
  else
    # The image has the same name as before, so to Kubernetes nothing has changed.
    kube rollout restart deployment/spindrift
  fi
  wait_until_ready
  forward
}

case ${1:-} in
'')
  tool=$(cluster_tool)
  start
  ;;
delete)
  tool=$(cluster_tool)
  delete_cluster
  ;;
-h | --help) sed -n '2,/^set /{s/^# \{0,1\}//;/^set /!p}' "${BASH_SOURCE[0]}" ;;
*) fail "'$1' means nothing here; see scripts/k8s-local.sh --help" ;;
esac
