# Sourced by cluster.sh: the cluster in network namespaces of this machine.
#
# NAME-cp holds the control plane and a bridge; each NAME-node-N has one cable to it, and there is no other way: no packet leaves. A command of
# `exec` runs in NAME-cp, from where service and pod addresses are reached directly.

# Namespaces, mounts and cgroups are root's. What `exec` starts runs as the user who asked.
need_rights() {
  [ "$(id -u)" -ne 0 ] || return 0
  command -v sudo >/dev/null || fail "the local cluster needs root or sudo: it makes namespaces, mounts and cgroups"
  exec sudo -E env "HOME=$HOME" "PATH=$PATH" "$here/cluster.sh" "$@"
}

export PATH=$PATH:/usr/sbin:/sbin
export STATE=$state CLUSTER=$RINGWAY_CLUSTER_NAME
pki=$state/pki
controllers=(cpu cpuacct cpuset memory devices freezer blkio pids systemd)

index() { echo "${1#node-}"; }
address() { echo "10.89.0.$((10 + $(index "$1")))"; }
inside() { nsenter --net="/run/netns/$CLUSTER-$1" "${@:2}"; } # not `ip netns exec`: that hides /sys/fs/cgroup
network() { ip -n "$CLUSTER-$1" "${@:2}"; }
kubectl() { inside cp "$BIN/kubectl" --kubeconfig "$pki/admin.kubeconfig" "$@"; }

provider_check() {
  local tool controller
  for tool in containerd runc nft iptables conntrack ip nsenter unshare openssl python3; do
    command -v $tool >/dev/null || fail "$tool is missing: run e2e/scripts/install.sh system cluster"
  done
  [ -x /usr/lib/cni/ptp ] || fail "/usr/lib/cni/ptp is missing: run e2e/scripts/install.sh system cluster"
  for controller in "${controllers[@]}"; do
    [ -d "/sys/fs/cgroup/$controller" ] ||
      fail "no cgroup v1 controller $controller: the local cluster is written for cgroup v1. Use RINGWAY_CLUSTER=kind."
  done
}

start() { # start NAME COMMAND...: in the control plane's namespace, its PID kept
  { exec nsenter --net="/run/netns/$CLUSTER-cp" "${@:2}"; } >"$state/$1.log" 2>&1 </dev/null &
  echo $! >"$state/$1.pid"
}

lay_cables() { # one bridge, one cable to each node
  local node other
  ip netns add "$CLUSTER-cp"
  network cp link set lo up
  network cp link add br0 type bridge
  network cp address add 10.89.0.1/24 dev br0
  network cp link set br0 up
  for node; do
    ip netns add "$CLUSTER-$node"
    network "$node" link set lo up
    ip link add eth0 netns "$CLUSTER-$node" type veth peer name "$node" netns "$CLUSTER-cp"
    network cp link set "$node" master br0 up
    network "$node" address add "$(address "$node")/24" dev eth0
    network "$node" link set eth0 up
    network "$node" route add default via 10.89.0.1
    network cp route add "10.244.$((10 + $(index "$node"))).0/24" via "$(address "$node")"
  done
  for node; do
    for other; do
      [ "$node" = "$other" ] || network "$node" route add "10.244.$((10 + $(index "$other"))).0/24" via "$(address "$other")"
    done
  done
  [ $# -eq 0 ] || network cp route add 10.96.0.0/16 via "$(address node-1)" # service addresses, from a test
}

start_apiserver() {
  mkdir -p "$state/etcd"
  start etcd "$BIN/etcd" --data-dir "$state/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380
  # Aggregated: webhooks and aggregated APIs are called at the pod's address, so that the control plane needs no kube-proxy.
  # shellcheck disable=SC2086 # several flags
  start apiserver "$BIN/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --bind-address 0.0.0.0 \
    --advertise-address 10.89.0.1 --secure-port 6443 --service-cluster-ip-range 10.96.0.0/16 \
    --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" --client-ca-file "$pki/ca.crt" \
    --allow-privileged --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --enable-aggregator-routing \
    --kubelet-client-certificate "$pki/kubelet-client.crt" --kubelet-client-key "$pki/kubelet-client.key" \
    --kubelet-certificate-authority "$pki/ca.crt" --kubelet-preferred-address-types InternalIP \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$pki/service-account.pub" \
    --service-account-signing-key-file "$pki/service-account.key" \
    --requestheader-client-ca-file "$pki/front-proxy-ca.crt" --requestheader-allowed-names front-proxy-client \
    --requestheader-extra-headers-prefix X-Remote-Extra- --requestheader-group-headers X-Remote-Group \
    --requestheader-username-headers X-Remote-User \
    --proxy-client-cert-file "$pki/front-proxy.crt" --proxy-client-key-file "$pki/front-proxy.key" \
    --default-not-ready-toleration-seconds 10 --default-unreachable-toleration-seconds 10 \
    --audit-policy-file "$here/audit.yaml" --audit-log-path "$state/audit.log" \
    --profiling=false ${RINGWAY_APISERVER_FLAGS:-}
  within 60 "the apiserver (its log is $state/apiserver.log)" kubectl get --raw /readyz
}

start_controllers() {
  start controllers "$BIN/kube-controller-manager" --kubeconfig "$pki/controllers.kubeconfig" --bind-address 127.0.0.1 \
    --authentication-kubeconfig "$pki/controllers.kubeconfig" --authorization-kubeconfig "$pki/controllers.kubeconfig" \
    --use-service-account-credentials --service-account-private-key-file "$pki/service-account.key" \
    --root-ca-file "$pki/ca.crt" --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key" \
    --leader-elect=false --node-monitor-period 2s --node-monitor-grace-period 16s
  start scheduler "$BIN/kube-scheduler" --kubeconfig "$pki/scheduler.kubeconfig" --bind-address 127.0.0.1 \
    --authentication-kubeconfig "$pki/scheduler.kubeconfig" --authorization-kubeconfig "$pki/scheduler.kubeconfig" \
    --leader-elect=false
}

boot() { # boot NODE: mount, PID, UTS, IPC, cgroup and network namespaces of its own, like a machine
  local node=$1 controller folder zone
  zone=zone-$(printf "\\x$((60 + $(index "$node")))")
  for controller in "${controllers[@]}"; do
    folder=/sys/fs/cgroup/$controller/$CLUSTER
    mkdir -p "$folder/$node"
    if [ "$controller" = cpuset ]; then # a new cpuset is empty, and then no process may enter
      for folder in "$folder" "$folder/$node"; do
        cat /sys/fs/cgroup/cpuset/cpuset.cpus >"$folder/cpuset.cpus"
        cat /sys/fs/cgroup/cpuset/cpuset.mems >"$folder/cpuset.mems"
      done
    fi
  done
  (
    for controller in "${controllers[@]}"; do
      echo "$BASHPID" >"/sys/fs/cgroup/$controller/$CLUSTER/$node/cgroup.procs"
    done
    exec nsenter --net="/run/netns/$CLUSTER-$node" unshare --mount --uts --ipc --cgroup --pid --fork --kill-child --mount-proc \
      "$here/node.sh" "$node" "$(address "$node")" "$zone"
  ) >"$state/$node.log" 2>&1 </dev/null &
  echo $! >"$state/$node.pid"
}

is_ready() { kubectl wait --for=condition=Ready "node/$1" --timeout=1s; }

provider_prepare() { # as the user: cargo and go run here
  local bin
  bin=$("$here/build.sh")
  [ "$1" -gt 0 ] || return 0
  "$here/images.sh" cluster "$images/cluster" "$bin"
  "$here/images.sh" ringway "$images/ringway"
}

provider_up() {
  local nodes node
  BIN=$("$here/build.sh") # there since provider_prepare
  export BIN
  mapfile -t nodes < <(seq -f node-%g 1 "$1")
  mkdir -p "$state/nodes"
  ln -s "$BIN" "$state/bin"
  ln -s "$images" "$state/images"
  # Each node's certificates hold its address.
  # shellcheck disable=SC2046
  "$here/pki.sh" "$pki" $(for node in "${nodes[@]}"; do echo "$node=$(address "$node")"; done)
  lay_cables "${nodes[@]}"
  start_apiserver
  start_controllers
  for node in "${nodes[@]}"; do boot "$node"; done
  [ "$1" -gt 0 ] || return 0
  kubectl apply --server-side -f "$here/manifests/coredns.yaml" -f "$BIN/gateway-api" >/dev/null
  for node in "${nodes[@]}"; do within 60 "$node (its logs are in $state/nodes/$node)" is_ready "$node"; done
  within 60 "DNS" kubectl -n kube-system rollout status deployment/coredns --timeout=1s
}

alive() { [ -d "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; } # init may reap late

stop() { # stop PIDFILE: only processes that this script started
  [ -f "$1" ] || return 0
  local pid
  pid=$(cat "$1")
  # shellcheck disable=SC2046
  kill -9 $(pgrep -P "$pid") "$pid" 2>/dev/null || true
  while alive "$pid"; do sleep 0.05; done
  rm -f "$1"
}

remove_cgroups() { ! [ -e "/sys/fs/cgroup/cpu/$CLUSTER" ] || { find /sys/fs/cgroup/*/"$CLUSTER" -depth -type d -exec rmdir {} +; }; }

provider_down() {
  local file space
  for file in "$state"/node-*.pid "$state"/{scheduler,controllers,apiserver,etcd}.pid; do stop "$file"; done
  for space in /run/netns/"$CLUSTER"-*; do [ ! -e "$space" ] || ip netns delete "$(basename "$space")"; done
  within 10 "the processes of the cluster to be gone" remove_cgroups
}

provider_exec() {
  [ -e "$state/bin" ] || fail "no cluster is up: run cluster.sh up"
  local as=()
  [ -z "${SUDO_UID:-}" ] || as=(--setgid "$SUDO_GID" --setuid "$SUDO_UID")
  exec nsenter --net="/run/netns/$CLUSTER-cp" "${as[@]}" env KUBECONFIG="$pki/admin.kubeconfig" PATH="$state/bin:$PATH" \
    RINGWAY_CLUSTER_HOST=10.89.0.1 RINGWAY_CLUSTER_AUDIT="$state/audit.log" "$@"
}

on_node() { # on_node NODE COMMAND...: in the namespaces of its first process
  nsenter --target "$(pgrep -P "$(cat "$state/$1.pid")")" --mount --net --pid "${@:2}"
}

provider_load() {
  local pid node file
  for pid in "$state"/node-*.pid; do
    node=$(basename "$pid" .pid)
    for file; do on_node "$node" ctr -n k8s.io images import "$file" >/dev/null; done
  done
}

provider_container_kill() { on_node "$1" ctr -n k8s.io task kill --signal SIGKILL "$2"; }
provider_node_kill() { stop "$state/$1.pid"; }
provider_node_boot() {
  BIN=$(readlink "$state/bin")
  export BIN
  boot "$1"
}
provider_cut() { network cp link set "$1" down; }
provider_join() { network cp link set "$1" up; }
provider_silence() { ip netns exec "$CLUSTER-cp" iptables -I INPUT -s "$1" -p tcp --dport 6443 -j DROP; }
provider_hear() { ip netns exec "$CLUSTER-cp" iptables -D INPUT -s "$1" -p tcp --dport 6443 -j DROP; }
