//go:build tools

// Package gatewayapi pins the Gateway API whose CRDs the clusters get: a module of its own, since it would raise what Kubernetes asks for.
package gatewayapi

import _ "sigs.k8s.io/gateway-api/apis/v1"
