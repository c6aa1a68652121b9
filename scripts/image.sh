#!/usr/bin/env bash
# Builds the image from the Dockerfile, with docker, podman or buildah, whichever is there first.
#
#   scripts/image.sh [--archive FILE] [TAG] [ARGUMENT...]
#
#   TAG         spindrift:VERSION, unless it is given
#   --archive   also write the image to this file, as `docker save` does
#   ARGUMENT    for the build: scripts/image.sh registry.example.com/spindrift:0.1.0 --build-arg BUILD_IMAGE=…
#               --build-arg PGO=true has the host built as by scripts/pgo.sh: quicker, and three times as long in the making
#
# To have a cluster's nodes pull it, push it afterwards: docker push registry.example.com/spindrift:0.1.0
set -euo pipefail

# shellcheck source=scripts/requirements.sh
source "$(dirname "${BASH_SOURCE[0]}")/requirements.sh"

# The first of them that can build: a docker without its daemon cannot.
builder() {
  local found=()
  if command -v docker >/dev/null; then
    if docker info >/dev/null 2>&1; then
      echo docker
      return
    fi
    found+=("docker is there, but its daemon does not answer (docker info says why)")
  fi
  local program
  for program in podman buildah; do
    if command -v "$program" >/dev/null; then
      echo "$program"
      return
    fi
  done
  fail "an image is built with docker, podman or buildah, and none of them can be used here.${found[*]:+ ${found[*]}.}"
}

# Of the workspace, which all of its packages share.
version() {
  sed -n '/^\[workspace\.package\]/,/^\[/ s/^version *= *"\(.*\)".*/\1/p' "$CHECKOUT/Cargo.toml"
}

# The commit, and whether the files differ from it.
revision() {
  git -C "$CHECKOUT" describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null || echo unknown
}

# save BUILDER TAG FILE
save() {
  # Neither podman nor buildah writes over a file.
  rm -f "$3"
  case $1 in
  buildah) buildah push "$2" "docker-archive:$3:$2" ;;
  *) "$1" save --output "$3" "$2" ;;
  esac
}

archive=
if [[ ${1:-} == --archive ]]; then
  archive=${2:?--archive needs a file}
  shift 2
fi
case ${1:-} in
-h | --help)
  sed -n '2,/^set /{s/^# \{0,1\}//;/^set /!p}' "${BASH_SOURCE[0]}"
  exit
  ;;
'' | -*) tag="spindrift:$(version)" ;;
*)
  tag=$1
  shift
  ;;
esac

builder=$(builder)
build=("$builder" build)
if [[ $builder == buildah ]]; then
  # It keeps no layers unless it is told to.
  build+=(--layers)
fi
"${build[@]}" --tag "$tag" --file "$CHECKOUT/Dockerfile" \
  --build-arg "VERSION=$(version)" \
  --build-arg "REVISION=$(revision)" \
  --build-arg "CREATED=$(date --utc +%Y-%m-%dT%H:%M:%SZ)" \
  "$@" "$CHECKOUT"
echo "built $tag with $builder"
if [[ -n $archive ]]; then
  save "$builder" "$tag" "$archive"
fi
