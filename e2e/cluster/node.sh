#!/usr/bin/env bash
# Boots one node inside namespaces that local.sh made: containerd, kubelet, kube-proxy.
# node.sh NAME IP ZONE (environment: STATE, BIN). It is the node's first process: kill it and the node is gone.
set -euo pipefail
name=$1 ip=$2 zone=$3
state=$STATE/nodes/$name
hostname "$name"

# Folders of its own for everything that a node writes, so that nodes do not meet on one disk.
for path in /run /var/lib/containerd /var/lib/kubelet /var/lib/cni /etc/cni /var/log; do
  mkdir -p "$state$path" "$path"
  mount --bind "$state$path" "$path"
done
mount --make-rshared /

# Its own view of /sys: interfaces of this network namespace, cgroups from this cgroup namespace down.
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
for controller in cpu cpuacct cpuset memory devices freezer blkio pids; do
  mkdir "/sys/fs/cgroup/$controller"
  mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"
done
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd

# The kubelet sets these for the whole machine unless it finds them set: show it copies instead.
mkdir -p /run/sysctl
while read -r key value; do
  echo "$value" > "/run/sysctl/${key//\//.}"
  mount --bind "/run/sysctl/${key//\//.}" "/proc/sys/$key"
done <<SYSCTL
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
SYSCTL
echo 1 > /proc/sys/net/ipv4/ip_forward

mkdir -p /etc/cni/net.d /var/log/pods
cat > /etc/cni/net.d/10-ptp.conflist <<JSON
{"cniVersion": "0.4.0", "name": "ringway", "plugins": [
  {"type": "ptp", "ipMasq": false, "mtu": 1500,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.${ip##*.}.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON

cat > "$state/containerd.toml" <<TOML
version = 2
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.internal.v1.restart",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "ringway.test/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
TOML

cat > "$state/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $STATE/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $STATE/pki/$name.crt
tlsPrivateKeyFile: $STATE/pki/$name.key
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
resolvConf: ""
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
nodeStatusUpdateFrequency: 4s
serializeImagePulls: false
evictionHard: {memory.available: 100Mi, nodefs.available: 0%, nodefs.inodesFree: 0%, imagefs.available: 0%}
imageGCHighThresholdPercent: 100
shutdownGracePeriod: 0s
YAML

cat > "$state/proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $STATE/pki/proxy.kubeconfig}
mode: nftables
clusterCIDR: 10.244.0.0/16
hostnameOverride: $name
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
YAML

containerd --config "$state/containerd.toml" > "$state/containerd.log" 2>&1 &
until ctr version > /dev/null 2>&1; do sleep 0.1; done
for image in "$STATE"/images/*/*.tar; do ctr -n k8s.io images import "$image" > /dev/null; done
"$BIN/kubelet" --config "$state/kubelet.yaml" --kubeconfig "$STATE/pki/$name.kubeconfig" --hostname-override "$name" \
  --node-ip "$ip" --node-labels "topology.kubernetes.io/zone=$zone" > "$state/kubelet.log" 2>&1 &
"$BIN/kube-proxy" --config "$state/proxy.yaml" > "$state/proxy.log" 2>&1 &
wait
