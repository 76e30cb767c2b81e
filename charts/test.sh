#!/usr/bin/env bash
# Runs charts/test.py with the programs it needs: helm, kubectl and judge from PATH, else as the local cluster builds them (e2e/cluster/build.sh).
#   charts/test.sh                              what needs no cluster
#   charts/test.sh cluster                      with an API server that KUBECONFIG names
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=${RINGWAY_CACHE:-$HOME/.cache/ringway}/tools/bin:$PATH
for program in helm kubectl judge; do
  if ! command -v "$program" >/dev/null; then
    PATH=$("$here/../e2e/cluster/build.sh"):$PATH
    break
  fi
done
export PATH PYTHONDONTWRITEBYTECODE=1
exec python3 "$here/test.py" "$@"
