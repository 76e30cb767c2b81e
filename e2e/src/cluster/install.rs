//! Ringway in the cluster, installed by Helm as its users do it: once for all tests, by the first that asks.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Cluster;
use super::object;
use crate::{places, wait};

/// The release and its namespace, as the documentation has them.
pub const RELEASE: &str = "ringway";
pub const NAMESPACE: &str = "ringway-system";
/// The chart of the resources.
pub const CRDS: &str = "ringway-crds";
/// How long Helm may wait for an install.
pub const WAIT: &str = "120s";

/// The tag of our images: charts and manifests name it, so the tests set nothing that a user would not set.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The same images under another tag: what an upgrade goes to.
pub const NEXT: &str = "next";

/// Taken by who installs, since tests are processes of their own.
const LOCK: &str = "ringway-e2e-install";
/// Stands in the cluster once an install failed.
const FAILED: &str = "/api/v1/namespaces/default/configmaps/ringway-install-failed";

/// The shared release.
#[derive(Debug)]
pub struct Install<'a> {
    cluster: &'a Cluster,
}

impl<'a> Install<'a> {
    /// The release, installed when it is not there.
    pub fn shared(cluster: &'a Cluster) -> Result<Self> {
        let install = Self { cluster };
        let lock = File::create(std::env::temp_dir().join(LOCK)).context("a lock")?;
        lock.lock().context("a lock")?;
        if install.has_crds()? && install.is_whole()? {
            return Ok(install);
        }
        // The first that fails says why, and the others do not wait as long as it did.
        ensure!(cluster.get(FAILED)?.is_none(), "Ringway is not whole, and an earlier test could not install it");
        if !install.has_crds()? {
            install.helm_crds(&[])?;
        }
        if let Err(error) = install.helm(&[]) {
            cluster.kubectl(&["create", "configmap", "ringway-install-failed", "--namespace=default"])?;
            return Err(error);
        }
        Ok(install)
    }

    /// The resources alone.
    pub fn crds(cluster: &'a Cluster) -> Result<Self> {
        let install = Self { cluster };
        let lock = File::create(std::env::temp_dir().join(LOCK)).context("a lock")?;
        lock.lock().context("a lock")?;
        if !install.has_crds()? {
            install.helm_crds(&[])?;
        }
        Ok(install)
    }

    fn has_crds(&self) -> Result<bool> {
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/mcpbackends.ringway.dev";
        Ok(self.cluster.get(path)?.is_some())
    }

    /// `helm upgrade --install` of the CRDs.
    pub fn helm_crds(&self, more: &[&str]) -> Result<String> {
        let chart = places::repository().join("charts/ringway-crds");
        let chart = chart.to_string_lossy();
        let args = [
            "upgrade",
            "--install",
            CRDS,
            &chart,
            "--namespace",
            NAMESPACE,
            "--create-namespace",
            "--wait",
            "--timeout",
            WAIT,
        ];
        self.cluster.run("helm", &[&args[..], more].concat(), "")?.stdout()
    }

    /// `helm upgrade --install` of Ringway itself, with default values but for `more` arguments.
    pub fn helm(&self, more: &[&str]) -> Result<String> {
        let chart = places::repository().join("charts/ringway");
        let chart = chart.to_string_lossy();
        let args = [
            "upgrade",
            "--install",
            RELEASE,
            &chart,
            "--namespace",
            NAMESPACE,
            "--create-namespace",
            // Without any value Helm would keep those of before.
            "--reset-values",
            "--wait",
            "--timeout",
            WAIT,
        ];
        let outcome = self.cluster.run("helm", &[&args[..], more].concat(), "")?;
        outcome.stdout().with_context(|| self.describe())
    }

    /// Installed, and every Deployment at its size.
    pub fn is_whole(&self) -> Result<bool> {
        for part in ["operator", "dataplane"] {
            let found = self.cluster.get(&deployment(part))?;
            if !found.is_some_and(|found| is_available(&found)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where clients of the default listener connect.
    pub fn address(&self) -> Result<SocketAddr> {
        self.cluster.address(NAMESPACE, RELEASE, 80)
    }

    /// Scales a part and waits until as many pods are ready, and no other is left.
    pub fn scale(&self, part: &str, replicas: usize) -> Result<()> {
        let name = format!("deployment/{RELEASE}-{part}");
        self.cluster.kubectl(&["-n", NAMESPACE, "scale", &name, &format!("--replicas={replicas}")])?;
        wait::until(&format!("{replicas} pods of the {part}"), Duration::from_secs(90), || {
            let pods = self.all_pods(part)?;
            Ok((pods.len() == replicas && pods.iter().all(is_pod_ready)).then_some(()))
        })
        .with_context(|| self.describe())
    }

    /// Replaces every pod of a part, and waits until only the new ones are left.
    pub fn roll(&self, part: &str) -> Result<()> {
        let leaving: Vec<String> = self.all_pods(part)?.iter().filter_map(name_of).collect();
        let name = format!("deployment/{RELEASE}-{part}");
        self.cluster.kubectl(&["-n", NAMESPACE, "rollout", "restart", &name])?;
        wait::until(&format!("other pods of the {part}"), Duration::from_secs(120), || {
            let pods = self.all_pods(part)?;
            let is_new = |pod: &Value| is_pod_ready(pod) && name_of(pod).is_some_and(|name| !leaving.contains(&name));
            Ok((self.is_whole()? && pods.iter().all(is_new)).then_some(()))
        })
        .with_context(|| self.describe())
    }

    /// The pods of a part, those that are being deleted left out.
    pub fn pods(&self, part: &str) -> Result<Vec<Value>> {
        let mut pods = self.all_pods(part)?;
        pods.retain(|pod| !is_leaving(pod));
        Ok(pods)
    }

    fn all_pods(&self, part: &str) -> Result<Vec<Value>> {
        let selector = format!("app.kubernetes.io/component={part},app.kubernetes.io/instance={RELEASE}");
        self.cluster.pods(NAMESPACE, &selector)
    }

    /// Everything that the containers of a part logged, those of now and of before a restart.
    pub fn log(&self, part: &str) -> Result<String> {
        let mut log = String::new();
        for pod in self.pods(part)? {
            let name = object::text(&pod, "/metadata/name").context("name of a pod")?;
            for previous in ["false", "true"] {
                let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}/log?previous={previous}");
                // There is no log of before for a container that never ended.
                log.push_str(&self.cluster.get_text(&path).unwrap_or_default());
            }
        }
        Ok(log)
    }

    /// What a failed test shows of the release.
    #[must_use]
    pub fn describe(&self) -> String {
        let show = |args: &[&str]| {
            let args = [&["-n", NAMESPACE], args].concat();
            self.cluster.kubectl(&args).unwrap_or_else(|error| format!("{error:#}"))
        };
        let mut text = show(&["get", "pods,deployments,services,leases,secrets", "-o", "wide"]);
        text.push_str(&show(&["get", "events", "--sort-by=.lastTimestamp"]));
        for part in ["operator", "dataplane"] {
            let selector = format!("app.kubernetes.io/component={part}");
            text.push_str(&show(&["logs", "--selector", &selector, "--all-containers", "--prefix", "--tail=40"]));
        }
        text
    }
}

fn name_of(pod: &Value) -> Option<String> {
    object::text(pod, "/metadata/name").map(str::to_owned)
}

fn deployment(part: &str) -> String {
    format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{RELEASE}-{part}")
}

fn is_available(deployment: &Value) -> bool {
    let wanted = object::number(deployment, "/spec/replicas");
    wanted.is_some()
        && object::number(deployment, "/status/availableReplicas") == wanted
        && object::number(deployment, "/status/updatedReplicas") == wanted
        && object::number(deployment, "/status/replicas") == wanted
}

/// Whether a pod is ready and stays.
#[must_use]
pub fn is_pod_ready(pod: &Value) -> bool {
    object::says(pod, "Ready") == Some("True") && !is_leaving(pod)
}

fn is_leaving(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_some()
}

/// A file of the repository, for tests that apply what users apply.
pub fn read(path: &str) -> Result<String> {
    let file = places::repository().join(path);
    fs::read_to_string(&file).with_context(|| format!("{}", file.display()))
}
