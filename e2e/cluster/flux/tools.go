//go:build tools

// Package flux pins Flux's kustomize-controller, which the tier *full* runs against the cluster.
package flux

import _ "github.com/fluxcd/kustomize-controller"
