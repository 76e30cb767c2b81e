#!/usr/bin/env bash
# Installs what the tests need, by name and by pinned version, under $RINGWAY_CACHE (default ~/.cache/ringway): nothing else on the
# machine changes but some Debian packages, for which root is asked. Fast when everything is there. The parts run side by side.
#   install.sh [PART...]     parts: system tools fleet conformance servers cluster (default: all)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
here=$ROOT/e2e
mkdir -p "$RINGWAY_CACHE/log"

need() {
  command -v "$1" >/dev/null && return
  echo "missing: $1 ($2)" >&2
  exit 1
}

# once NAME INPUTS_HASH COMMAND...: skipped while the stamp holds the same hash, so that a changed pin installs again.
once() {
  local name=$1 hash=$2
  shift 2
  local stamp=$RINGWAY_CACHE/$name.stamp
  [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ] && return
  rm -f "$stamp"
  "$@"
  echo "$hash" >"$stamp"
}

hash_of() { cat "$@" | sha256sum | cut -c1-16; }

has() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; }

install_system() {
  local missing=()
  has nginx || missing+=(nginx-light)
  if [ "${RINGWAY_CLUSTER:-local}" = local ]; then # the nodes of the local cluster
    local pair
    for pair in containerd:containerd runc:runc nft:nftables iptables:iptables conntrack:conntrack ip:iproute2 openssl:openssl pgrep:procps; do
      has "${pair%:*}" || missing+=("${pair#*:}")
    done
    [ -x /usr/lib/cni/ptp ] || missing+=(containernetworking-plugins)
  fi
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    echo "root is needed for: apt-get install ${missing[*]} (the benchmark's fixed upstream, the nodes of the test cluster)" >&2
    as_root=(sudo)
  fi
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

install_tools() {
  rm -rf "$RINGWAY_CACHE/tools"
  hash -r # the python3 that was looked up may have been the one in there
  python3 -m venv "$RINGWAY_CACHE/tools"
  "$RINGWAY_CACHE/tools/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$here/tools/requirements.txt"
}

install_fleet() { bash "$RINGWAY_SHARED/fleet/install.sh" "$RINGWAY_CACHE/fleet"; }

install_conformance() {
  local dir=$RINGWAY_CACHE/conformance
  rm -rf "$dir"
  mkdir -p "$dir"
  cp "$here/conformance/package.json" "$here/conformance/package-lock.json" "$dir/"
  # The package `node` fetches its binary in an install script, so scripts are on; everything is pinned by the lock file.
  (cd "$dir" && npm ci --silent --no-audit --no-fund >/dev/null)
  "$dir/node_modules/node/bin/node" --version | grep -q '^v22\.' || { echo "the npm package node did not bring Node 22" >&2; exit 1; }
}

GO_SDK=v1.8.0
MCP_SDK=2.3.0
install_servers() {
  local dir=$RINGWAY_CACHE/servers
  rm -rf "$dir"
  mkdir -p "$dir/download" "$dir/go" "$dir/python"
  GOBIN=$dir/go GOFLAGS=-mod=mod go install "github.com/modelcontextprotocol/go-sdk/conformance/everything-server@$GO_SDK"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary mcp -d "$dir/download" "mcp==$MCP_SDK"
  tar -xzf "$dir/download/mcp-$MCP_SDK.tar.gz" -C "$dir/python" --strip-components=4 "mcp-$MCP_SDK/examples/servers/everything-server"
  rm -rf "$dir/download"
}

# Kubernetes as one program, and what is tried with it. Kept under the hash of its inputs.
install_cluster() { [ "${RINGWAY_CLUSTER:-local}" != local ] || nice "$here/cluster/build.sh"; }

part() {
  case $1 in
    system) install_system ;;
    tools) once tools "$(hash_of "$here/tools/requirements.txt")" install_tools ;;
    fleet) once fleet "$(hash_of "$RINGWAY_SHARED"/fleet/{install.sh,package.json,requirements-mcp1.txt,requirements-mcp2.txt,clients/ts.mjs})" install_fleet ;;
    conformance) once conformance "$(hash_of "$here"/conformance/package*.json)" install_conformance ;;
    servers) once servers "go$GO_SDK-mcp$MCP_SDK" install_servers ;;
    cluster) install_cluster ;;
    *) echo "unknown part: $1" >&2; exit 2 ;;
  esac
}

need python3 "Python 3.11 or newer with venv"
python3 -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer with venv is needed" >&2; exit 1; }
need npm "Node 20 or newer with npm: the fleet's TypeScript client and servers"
need go "Go 1.26 or newer: a reference server of the conformance tests, and Kubernetes for the test cluster"
need cc "a C compiler: the TLS library builds with it"

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(system tools fleet conformance servers cluster)
pids=()
for p in "${parts[@]}"; do
  (set -e; part "$p") >"$RINGWAY_CACHE/log/install-$p.log" 2>&1 &
  pids+=($!)
done
bad=0
for i in "${!parts[@]}"; do
  if ! wait "${pids[$i]}"; then
    bad=1
    echo "install of ${parts[$i]} failed:" >&2
    tail -n 30 "$RINGWAY_CACHE/log/install-${parts[$i]}.log" >&2
  fi
done
exit $bad
