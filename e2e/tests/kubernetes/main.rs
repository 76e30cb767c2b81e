//! Ringway in a real Kubernetes cluster: one file per behaviour, on whichever cluster `e2e/cluster/cluster.sh` made. They share one cluster and one
//! install by Helm, so they run one after the other (`.config/nextest.toml`).

mod changes;
mod charts;
mod cluster;
mod command_line;
mod conditions;
mod crds;
mod flux;
mod gateway_api;
mod health;
mod install;
mod nodes;
mod outage;
mod reachable;
mod reasons;
mod rights;
mod rollouts;
mod same_config;
mod same_yaml;
mod stale;
mod tenants;
