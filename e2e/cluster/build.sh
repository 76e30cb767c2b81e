#!/usr/bin/env bash
# Builds programs for the tests in a cluster into a folder named by the hash of what they are built from, and prints that folder. Does nothing when
# it is there. The programs and Go's own caches stay in the home cache.
#   build.sh         every program of the local cluster: about 15 CPU minutes on a machine that never built it, 350 MB
#   build.sh flux    Flux's kustomize-controller and the resources that it needs: about 5 CPU minutes, for the tier *full* alone
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${RINGWAY_CACHE:-$HOME/.cache/ringway}/cluster
export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off GOFLAGS="-buildvcs=false -trimpath -mod=readonly"
cd "$here"

# One module for all, so that what they share is compiled once. Newer helm, coredns or kwok would raise logr, x/net, grpc and protobuf over what
# Kubernetes asks for, and so compile it all against those: keep them in step.
inputs_of_cluster() { cat go.mod go.sum tools.go {coredns,judge,kube,pause}/*.go gateway-api/*; }
build_cluster() { # build_cluster OUT
  local draft=$1 version minor stamp package name gateway_api stages folder file
  version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
  minor=${version#v1.}
  minor=${minor%%.*}
  stamp="-s -w"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do # else every component says v0.0.0-master
    stamp+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor -X $package.gitTreeState=clean"
  done
  # Two at a time: the Rust build wants the processor too.
  go build -p=2 -ldflags "$stamp" -o "$draft/kube" ./kube >&2
  for name in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do ln -s kube "$draft/$name"; done
  for name in coredns pause judge; do go build -p=2 -ldflags "-s -w" -o "$draft/$name" "./$name" >&2; done
  go build -p=2 -ldflags "-s -w" -o "$draft/helm" helm.sh/helm/v4/cmd/helm >&2
  go build -p=2 -ldflags "-s -w" -o "$draft/kwok" sigs.k8s.io/kwok/cmd/kwok >&2
  # What the cluster applies from files: the CRDs of the Gateway API, and how kwok's fake nodes and pods behave.
  gateway_api=$(cd gateway-api && go mod download && go list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)
  install -D -m 644 -t "$draft/gateway-api" "$gateway_api"/config/crd/standard/*.yaml
  stages=$(go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize/stage
  for folder in node/fast node/heartbeat-with-lease pod/fast; do
    for file in "$stages/$folder"/*.yaml; do
      [ "$(basename "$file")" = kustomization.yaml ] || { echo ---; cat "$file"; } >>"$draft/kwok.yaml"
    done
  done
}

# A module of its own: the cloud libraries that it brings would raise what Kubernetes asks for.
inputs_of_flux() { cat flux/{go.mod,go.sum,tools.go} flux/sources/*; }
build_flux() { # build_flux OUT
  local module
  cd flux
  go build -p=2 -ldflags "-s -w" -o "$1/kustomize-controller" github.com/fluxcd/kustomize-controller >&2
  module=$(go list -m -f '{{.Dir}}' github.com/fluxcd/kustomize-controller)
  install -D -m 644 -t "$1/crds" "$module"/config/crd/bases/*.yaml
  # Sources are only resources here: who serves an artifact writes it into their status.
  cd sources
  go mod download
  module=$(go list -m -f '{{.Dir}}' github.com/fluxcd/source-controller)
  install -D -m 644 -t "$1/crds" "$module"/config/crd/bases/*.yaml
}

what=${1:-cluster}
case $what in
  cluster) prefix=bin ;;
  flux) prefix=$what ;;
  *) echo "build.sh: $what: cluster or flux" >&2 && exit 2 ;;
esac
out=$cache/$prefix-$({ "inputs_of_$what"; declare -f "build_$what"; go version; } | sha256sum | cut -c1-16)
if [ -d "$out" ]; then
  echo "$out"
  exit
fi
mkdir -p "$cache"
exec 9>"$cache/build.lock"
flock 9 # two runs on one machine build once
if [ ! -d "$out" ]; then
  rm -rf "$out.draft"
  mkdir -p "$out.draft"
  (set -e; "build_$what" "$out.draft")
  mv "$out.draft" "$out"
  # Older builds of this machine: the programs are large and nobody asks for them again.
  find "$cache" -maxdepth 1 -name "$prefix-*" ! -path "$out" -mtime +7 -exec rm -rf {} +
fi
echo "$out"
