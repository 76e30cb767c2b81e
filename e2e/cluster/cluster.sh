#!/usr/bin/env bash
# A Kubernetes cluster for the tests. RINGWAY_CLUSTER says whose:
#   local (default)  real nodes in network namespaces of this machine; no Docker, nothing sent outside; needs root or sudo (local.sh)
#   kind             nodes in Docker containers; needs docker, kind, kubectl and helm (kind.sh)
#
#   cluster.sh up [NODES] [--owner PID]   starts one anew (1 node), with our images and DNS; with an owner it ends when that process ends.
#                                         0: the control plane alone, without images and DNS (local only)
#   cluster.sh down                       leaves nothing behind
#   cluster.sh exec COMMAND...            runs a command that reaches the cluster: kubectl, helm and KUBECONFIG are set; pods reach
#                                         the command at RINGWAY_CLUSTER_HOST
#   cluster.sh load FILE.tar...           brings images into every node
#   cluster.sh container-kill NODE ID     a crash: kills a container's process, as its pod's status names it
#   cluster.sh node-kill NODE | node-boot NODE | cut NODE | join NODE       a power cut and its end, a pulled cable and its end
#   cluster.sh silence ADDRESS | hear ADDRESS                               the API server hears nothing from there, and its end
#
# RINGWAY_CLUSTER_NAME keeps clusters of one machine apart; the default is made from the path of this repository.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export RINGWAY_CACHE=${RINGWAY_CACHE:-$HOME/.cache/ringway}
export RINGWAY_CLUSTER=${RINGWAY_CLUSTER:-local}
export RINGWAY_CLUSTER_NAME=${RINGWAY_CLUSTER_NAME:-rw-$(cksum <<<"$here" | cut -d' ' -f1)}
state=$RINGWAY_CACHE/cluster/$RINGWAY_CLUSTER_NAME
images=$state.images # outlives the cluster, so that what did not change is not packed again

fail() {
  echo "cluster.sh: $*" >&2
  exit 1
}

# within SECONDS WHAT COMMAND...: tries until it works.
within() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt "$deadline" ] || fail "waited in vain for $what: $("$@" 2>&1 | tail -n 3)"
    sleep 0.1
  done
}

# Ends the cluster when its owner is gone, however that ended.
watch_owner() {
  setsid bash -c 'while [ -d "/proc/$1" ]; do sleep 1; done; exec "$2" down' watch "$1" "$here/cluster.sh" </dev/null >/dev/null 2>&1 &
  echo $! >"$state/watch.pid"
}

# The watch calls `down` too: it ends last.
end_watch() { [ -z "$1" ] || kill "$1" 2>/dev/null || true; }

down() {
  local watch
  watch=$(cat "$state/watch.pid" 2>/dev/null || true)
  provider_down
  rm -rf "$state"
  end_watch "$watch"
}

# The part of `up` that makes the cluster: raise NODES [OWNER].
raise() {
  down
  mkdir -p "$state"
  [ -z "${2:-}" ] || watch_owner "$2"
  if ! (set -e; provider_up "$1"); then
    echo "cluster.sh: not up; logs are kept in $state.failed" >&2
    rm -rf "$state.failed"
    cp -r "$state" "$state.failed"
    down
    exit 1
  fi
}

up() {
  local nodes=1 owner=
  while [ $# -gt 0 ]; do
    case $1 in
      --owner) owner=${2:?the process to end with} && shift 2 ;;
      [0-9]) nodes=$1 && shift ;;
      *) fail "up: unknown argument $1" ;;
    esac
  done
  provider_check
  provider_prepare "$nodes"
  "$here/cluster.sh" raise "$nodes" "$owner"
}

case $RINGWAY_CLUSTER in
  local | kind) . "$here/$RINGWAY_CLUSTER.sh" ;;
  *) fail "RINGWAY_CLUSTER is $RINGWAY_CLUSTER: local or kind" ;;
esac

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
  up) up "$@" ;;
  raise | down | exec | load | container-kill | node-kill | node-boot | cut | join | silence | hear)
    need_rights "$command" "$@" # comes back only with the rights that the provider needs
    case $command in
      raise | down) "$command" "$@" ;;
      *) "provider_${command//-/_}" "$@" ;;
    esac
    ;;
  *) fail "usage: up [NODES] [--owner PID] | down | exec COMMAND... | load FILE... | container-kill NODE ID | node-kill|node-boot|cut|join NODE | silence|hear ADDRESS" ;;
esac
