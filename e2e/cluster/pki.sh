#!/usr/bin/env bash
# Makes every certificate and kubeconfig of one cluster. pki.sh DIR NAME=ADDRESS...
set -euo pipefail
dir=$1; shift
mkdir -p "$dir" && cd "$dir"
key() { openssl ecparam -genkey -name prime256v1 -noout -out "$1.key"; }
authority() { key "$1"; openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 30 -out "$1.crt"; }
issue() { # issue AUTHORITY NAME SUBJECT [SAN]
  key "$2"
  openssl req -new -key "$2.key" -subj "$3" |
    openssl x509 -req -CA "$1.crt" -CAkey "$1.key" -CAcreateserial -days 30 -out "$2.crt" \
      -extfile <(printf 'extendedKeyUsage=serverAuth,clientAuth\n%s' "${4:+subjectAltName=$4}") 2>/dev/null
}
kubeconfig() { # kubeconfig NAME SERVER: no file but this one is needed to use it
  cat > "$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: ringway, cluster: {server: "$2", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: ringway, context: {cluster: ringway, user: $1}}]
current-context: ringway
YAML
}
authority ca
authority front-proxy-ca
names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
issue ca apiserver "/CN=kube-apiserver" "$names,DNS:localhost,IP:127.0.0.1,IP:10.96.0.1,IP:10.89.0.1"
issue ca kubelet-client "/O=system:masters/CN=kube-apiserver-kubelet-client"
issue front-proxy-ca front-proxy "/CN=front-proxy-client"
openssl genrsa -out service-account.key 2048 2>/dev/null
openssl rsa -in service-account.key -pubout -out service-account.pub 2>/dev/null
issue ca admin "/O=system:masters/CN=admin";                     kubeconfig admin https://127.0.0.1:6443
issue ca controllers "/CN=system:kube-controller-manager";       kubeconfig controllers https://127.0.0.1:6443
issue ca scheduler "/CN=system:kube-scheduler";                  kubeconfig scheduler https://127.0.0.1:6443
issue ca proxy "/CN=system:kube-proxy";                          kubeconfig proxy https://10.89.0.1:6443
for node; do
  name=${node%=*}
  issue ca "$name" "/O=system:nodes/CN=system:node:$name" "DNS:$name,IP:${node#*=}"
  kubeconfig "$name" https://10.89.0.1:6443
done
