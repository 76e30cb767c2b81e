# Sourced by cluster.sh: the cluster as kind makes it, for machines that have Docker.

kubeconfig=$state/kubeconfig
gateway_api=v1.6.3 # as in gateway-api/go.mod

provider_check() {
  local tool
  for tool in docker kind kubectl helm go; do
    command -v "$tool" >/dev/null || fail "RINGWAY_CLUSTER=kind needs $tool on PATH"
  done
  docker info >/dev/null 2>&1 || fail "docker does not answer: is its daemon running, and may this user use it?"
}

need_rights() { :; } # whoever may use Docker

provider_prepare() {
  "$here/images.sh" ringway "$images/ringway"
  mkdir -p "$images/bin"
  (cd "$here" && CGO_ENABLED=0 go build -o "$images/bin/judge" ./judge)
}

provider_up() {
  local worker
  mkdir -p "$state/audit"
  sed "s#AUDIT_POLICY#$here/audit.yaml#; s#AUDIT_LOG#$state/audit#" "$here/kind.yaml" >"$state/kind.yaml"
  for ((worker = 1; worker < $1; worker++)); do echo "  - role: worker" >>"$state/kind.yaml"; done
  kind create cluster --name "$RINGWAY_CLUSTER_NAME" --config "$state/kind.yaml" --kubeconfig "$kubeconfig" --wait 120s
  provider_load "$images"/ringway/*.tar
  KUBECONFIG=$kubeconfig kubectl apply --server-side \
    -f "https://github.com/kubernetes-sigs/gateway-api/releases/download/$gateway_api/standard-install.yaml"
}

provider_down() { kind delete cluster --name "$RINGWAY_CLUSTER_NAME" --kubeconfig "$kubeconfig"; }

provider_exec() {
  [ -e "$kubeconfig" ] || fail "no cluster is up: run cluster.sh up"
  local host
  host=$(docker network inspect kind -f '{{range .IPAM.Config}}{{println .Gateway}}{{end}}' | grep -m1 '\.')
  exec env KUBECONFIG="$kubeconfig" PATH="$images/bin:$PATH" RINGWAY_CLUSTER_HOST="$host" RINGWAY_CLUSTER_AUDIT="$state/audit/audit.log" "$@"
}

provider_load() {
  local file
  for file; do kind load image-archive "$file" --name "$RINGWAY_CLUSTER_NAME"; done
}

provider_container_kill() { docker exec "$1" ctr -n k8s.io task kill --signal SIGKILL "$2"; }
provider_node_kill() { docker kill "$1" >/dev/null; }
provider_node_boot() { docker start "$1" >/dev/null; }
provider_cut() {
  docker inspect -f '{{.NetworkSettings.Networks.kind.IPAddress}}' "$1" >"$state/$1.address"
  docker network disconnect kind "$1"
}
provider_join() { docker network connect --ip "$(cat "$state/$1.address")" kind "$1"; } # nodes know each other by address
provider_silence() { docker exec "$RINGWAY_CLUSTER_NAME-control-plane" iptables -I INPUT -s "$1" -p tcp --dport 6443 -j DROP; }
provider_hear() { docker exec "$RINGWAY_CLUSTER_NAME-control-plane" iptables -D INPUT -s "$1" -p tcp --dport 6443 -j DROP; }
