//! Where a test's objects stand: a namespace of its own, or the release's, where routes need no Gateway. What a test applied goes with it.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::install::{NAMESPACE, VERSION};
use super::object::{self, Condition};
use super::{Cluster, PATIENCE};
use crate::yaml;

/// How long a status may take on two busy cores.
const STATUS: Duration = Duration::from_secs(30);

/// A namespace in which one test works.
#[derive(Debug)]
pub struct Namespace<'a> {
    pub name: String,
    cluster: &'a Cluster,
    /// What to delete in a namespace that stays.
    applied: Option<RefCell<Vec<String>>>,
}

impl<'a> Namespace<'a> {
    /// The release's own: by default the only one whose routes need no Gateway.
    pub fn of_the_release(cluster: &'a Cluster) -> Self {
        Self { name: NAMESPACE.to_owned(), cluster, applied: Some(RefCell::default()) }
    }

    /// One of the test's own under the strictest pod security, made anew: one that an ended run left is removed first.
    pub fn create(cluster: &'a Cluster, name: &str) -> Result<Self> {
        let path = format!("/api/v1/namespaces/{name}");
        if cluster.get(&path)?.is_some() {
            cluster.kubectl(&["delete", "namespace", name, "--ignore-not-found", "--wait=false"])?;
            cluster.until_gone(&path, PATIENCE)?;
        }
        cluster.apply(
            "default",
            &format!(
                "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels:\n    \
                 pod-security.kubernetes.io/enforce: restricted\n    app.kubernetes.io/part-of: ringway-e2e\n"
            ),
        )?;
        Ok(Self { name: name.to_owned(), cluster, applied: None })
    }

    pub fn apply(&self, yaml: &str) -> Result<()> {
        if let Some(applied) = &self.applied {
            applied.borrow_mut().push(yaml.to_owned());
        }
        self.cluster.apply(&self.name, yaml)
    }

    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.cluster.kubectl(&[&["-n", self.name.as_str()], args].concat())
    }

    /// The API path of an object of ours or a Gateway, by its plural.
    #[must_use]
    pub fn path(&self, plural: &str, name: &str) -> String {
        let group = if plural == "gateways" { "gateway.networking.k8s.io/v1" } else { "ringway.dev/v1alpha1" };
        format!("/apis/{group}/namespaces/{}/{plural}/{name}", self.name)
    }

    /// The object as it is now.
    pub fn object(&self, plural: &str, name: &str) -> Result<Value> {
        let path = self.path(plural, name);
        self.cluster.get(&path)?.with_context(|| format!("{path} is not there"))
    }

    /// Waits for a condition of the current generation, at the top of the status or at its first parent, to be as `wanted`.
    pub fn condition(&self, plural: &str, name: &str, kind: &str, wanted: (bool, &str)) -> Result<Condition> {
        let what = format!("{plural}/{name} in {} to have {kind} {} {}", self.name, wanted.0, wanted.1);
        self.cluster.until(&what, STATUS, &self.path(plural, name), |object| {
            let found = object::condition(object, kind).or_else(|| object::parent_condition(object, kind))?;
            (found.is_true == wanted.0 && found.reason == wanted.1).then_some(found)
        })
    }

    /// The same of a listener of a Gateway.
    pub fn listener(&self, (gateway, listener): (&str, &str), kind: &str, wanted: (bool, &str)) -> Result<Condition> {
        let what = format!("listener {listener} of {gateway} to have {kind} {} {}", wanted.0, wanted.1);
        self.cluster.until(&what, STATUS, &self.path("gateways", gateway), |object| {
            let found = object::listener_condition(object, listener, kind)?;
            (found.is_true == wanted.0 && found.reason == wanted.1).then_some(found)
        })
    }

    /// Waits until an object of ours is Ready.
    pub fn ready(&self, plural: &str, name: &str) -> Result<()> {
        let what = format!("{plural}/{name} in {} to be Ready", self.name);
        self.cluster.until(&what, STATUS, &self.path(plural, name), |object| {
            object::condition(object, "Ready").filter(|found| found.is_true).map(drop)
        })
    }

    /// MCP servers as pods behind a Service of the same name on port 8080: `/legacy/mcp` and `/modern/mcp`.
    pub fn servers(&self, name: &str, replicas: u8) -> Result<()> {
        self.apply(&servers(name, replicas))?;
        self.rolled_out(name)
    }

    /// The same with a backend and a route `/NAME` of that name, which is Ready.
    pub fn served(&self, name: &str, replicas: u8) -> Result<()> {
        self.servers(name, replicas)?;
        let route = yaml::route(name, &format!("/{name}"), &[(name, "")]);
        self.apply(&yaml::documents(&[yaml::service(name, name, ""), route]))?;
        self.ready("mcproutes", name)
    }

    /// Waits until a Deployment is rolled out.
    pub fn rolled_out(&self, name: &str) -> Result<()> {
        self.kubectl(&["rollout", "status", &format!("deployment/{name}"), "--timeout=60s"]).map(drop)
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        // Not waited for: names are not used twice.
        match &self.applied {
            None => drop(self.kubectl(&["delete", "namespace", &self.name, "--wait=false", "--ignore-not-found"])),
            Some(applied) => {
                let all = applied.borrow().join("---\n");
                let args = ["delete", "-n", &self.name, "--wait=false", "--ignore-not-found", "-f", "-"];
                drop(self.cluster.run("kubectl", &args, &all));
            }
        }
    }
}

/// The bundled MCP servers of the command line's image.
#[must_use]
pub fn servers(name: &str, replicas: u8) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {name} }}
spec:
  replicas: {replicas}
  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata: {{ labels: {{ app: {name} }} }}
    spec:
      automountServiceAccountToken: false
      securityContext: {{ runAsNonRoot: true, seccompProfile: {{ type: RuntimeDefault }} }}
      containers:
      - name: server
        image: ringway/cli:{VERSION}
        imagePullPolicy: Never
        args: [demo, --servers-only, --listen, '0.0.0.0:8080']
        ports: [{{ containerPort: 8080 }}]
        readinessProbe: {{ httpGet: {{ path: /healthz, port: 8080 }}, periodSeconds: 1 }}
        securityContext: {{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {{ drop: [ALL] }} }}
---
apiVersion: v1
kind: Service
metadata: {{ name: {name} }}
spec:
  selector: {{ app: {name} }}
  ports: [{{ port: 8080 }}]
"
    )
}
