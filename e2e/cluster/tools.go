//go:build tools

// Package cluster names the programs that are built as they are, so that go.mod keeps them.
package cluster

import (
	_ "helm.sh/helm/v4/cmd/helm"
	_ "sigs.k8s.io/kwok/cmd/kwok"
)
