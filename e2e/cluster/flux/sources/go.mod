// The resources of sources come from the source-controller, of which nothing is built: in the controller's module it would raise what that asks for.
module ringway.dev/e2e/cluster/flux/sources

go 1.26.0

require github.com/fluxcd/source-controller v1.9.6
