#!/usr/bin/env bash
# Writes what is made from the charts and the CRDs, so that nobody edits a copy: the CRDs in their chart, what each file of ringway/ci renders to, the
# plain manifests of deploy/, the health checks for Argo CD, the tables of values. With --check nothing is written: what differs is shown, and is an error.
# Needs helm on PATH, and PyYAML; no cluster.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$root
[ "${1:-}" != --check ] || out=$(mktemp -d)
mkdir -p "$out"/charts/ringway-crds/files "$out"/charts/ringway/tests/golden "$out"/deploy/{argocd,kustomize/base}
cd "$root"
made=(charts/ringway-crds/files charts/ringway/tests/golden deploy/kustomize/base/ringway.yaml deploy/install.yaml deploy/argocd/health.yaml
  charts/ringway/VALUES.md charts/ringway-crds/VALUES.md)

# What a chart renders to, without what Helm alone would say of itself.
render() {
  helm template "$@" | sed -e 's/^\( *app.kubernetes.io\/managed-by:\) Helm$/\1 install.yaml/' -e '/^ *helm.sh\/chart:/d' -e '/^# Source: /d'
}

# The CRDs where Helm and kustomize find them: neither follows a link out of its folder.
rm -f "$out"/charts/ringway-crds/files/*
cp crds/manifests/*.yaml "$out/charts/ringway-crds/files/"
{
  echo "apiVersion: kustomize.config.k8s.io/v1beta1"
  echo "kind: Kustomization"
  echo "resources:"
  for file in crds/manifests/*.yaml; do echo "  - $(basename "$file")"; done
} >"$out/charts/ringway-crds/files/kustomization.yaml"

rm -f "$out"/charts/ringway/tests/golden/*
for values in charts/ringway/ci/*.yaml; do
  # The API versions of a cluster with everything that the chart can make use of.
  helm template ringway charts/ringway -n ringway-system -f "$values" --api-versions gateway.networking.k8s.io/v1/GatewayClass |
    sed -e 's/[ \t]*$//' >"$out/charts/ringway/tests/golden/$(basename "$values")"
done

{
  echo "# Rendered from charts/ringway by charts/generate.sh."
  render ringway-crds charts/ringway-crds -n ringway-system --show-only templates/roles.yaml
  render ringway charts/ringway -n ringway-system --set gatewayClass.create=Never,tests.enabled=false
} >"$out/deploy/kustomize/base/ringway.yaml"

{
  echo "# Ringway in the namespace ringway-system: CRDs, operator, data plane. Rendered by charts/generate.sh. The CRDs stand first, but an API server may"
  echo "# take a moment to serve them; nothing else in here uses them."
  echo "# kubectl apply --server-side -f deploy/install.yaml"
  cat deploy/kustomize/base/namespace.yaml
  for file in crds/manifests/*.yaml; do echo "---" && sed '1{/^---$/d}' "$file"; done
  cat "$out/deploy/kustomize/base/ringway.yaml"
} >"$out/deploy/install.yaml"

{
  echo "# Health of Ringway's kinds for Argo CD, made from resource_customizations/ by charts/generate.sh. Merge it into the ConfigMap of your install:"
  echo "# kubectl -n argocd patch configmap argocd-cm --patch-file deploy/argocd/health.yaml"
  echo "apiVersion: v1"
  echo "kind: ConfigMap"
  echo "metadata:"
  echo "  name: argocd-cm"
  echo "  namespace: argocd"
  echo "  labels: { app.kubernetes.io/name: argocd-cm, app.kubernetes.io/part-of: argocd }"
  echo "data:"
  for script in deploy/argocd/resource_customizations/*/*/health.lua; do
    kind=$(basename "$(dirname "$script")") group=$(basename "$(dirname "$(dirname "$script")")")
    echo "  resource.customizations.health.${group}_$kind: |"
    sed -e 's/^/    /' -e 's/ *$//' "$script"
  done
} >"$out/deploy/argocd/health.yaml"

for chart in ringway ringway-crds; do python3 charts/values.py "charts/$chart" >"$out/charts/$chart/VALUES.md"; done

[ "$out" = "$root" ] && exit
different=0
for path in "${made[@]}"; do diff -ru "$path" "$out/$path" || different=1; done
rm -rf "$out"
[ $different = 0 ] || { echo "generate.sh: what is above differs from the sources: run charts/generate.sh and commit" >&2 && exit 1; }
