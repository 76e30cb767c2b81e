//! A running Kubernetes cluster, as `e2e/cluster/cluster.sh` makes it: objects, services, nodes.
//!
//! The suites are the same on the local cluster and on kind; what differs is here and in `e2e/cluster/{local,kind}.sh`. It starts no cluster: a test
//! that finds none fails and says which command brings one. Writing goes by kubectl, as users do it; looking, which polls, by the API itself.

pub mod audit;
pub mod flux;
pub mod install;
pub mod namespace;
pub mod object;
pub mod traffic;

use std::env;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::port::Port;
use crate::process::Daemon;
use crate::{http, places, wait};

/// How long a kubectl command may take, waits of its own included.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The node ports of `e2e/cluster/kind.yaml`.
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_800..=30_807;

/// Who runs the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Provider {
    /// Network namespaces of this machine; tests run in the control plane's, and reach every address.
    Local,
    /// Docker containers; tests reach node ports.
    Kind,
}

/// The cluster that the tests share.
#[derive(Debug)]
pub struct Cluster {
    provider: Provider,
    /// `kubectl proxy`: the API without TLS and credentials.
    proxy: Daemon,
    port: Port,
    _folder: TempDir,
}

/// A pod that the API server does not hear.
#[derive(Debug)]
pub struct Silence {
    address: String,
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was run, for the message of a failure.
    command: String,
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

// === impl Cluster ===

impl Cluster {
    /// The cluster in whose surroundings this test runs.
    pub fn running() -> Result<Self> {
        let remedy = "no cluster here: these tests run by `just kubernetes`, or by `e2e/cluster/cluster.sh exec`";
        env::var_os("KUBECONFIG").context(remedy)?;
        let provider = match env::var("RINGWAY_CLUSTER").context(remedy)?.as_str() {
            "local" => Provider::Local,
            "kind" => Provider::Kind,
            other => bail!("RINGWAY_CLUSTER is {other}: local or kind"),
        };
        let folder = tempfile::tempdir().context("a folder for a log")?;
        let port = Port::claim()?;
        let mut command = Command::new("kubectl");
        command.args(["proxy", &format!("--port={}", port.number())]);
        let mut proxy = Daemon::start("kubectl-proxy", &mut command, folder.path())?;
        proxy.listens(port.address(), Duration::from_secs(20))?;
        Ok(Self { provider, proxy, port, _folder: folder })
    }

    /// The API without TLS and credentials.
    #[must_use]
    pub fn api(&self) -> SocketAddr {
        self.port.address()
    }

    /// Runs kubectl; an error holds what it said.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.run("kubectl", args, "")?.stdout()
    }

    /// Runs kubectl or helm with `input`, whatever comes of it.
    pub fn run(&self, program: &str, args: &[&str], input: &str) -> Result<Outcome> {
        run(Command::new(program).args(args), input).with_context(|| format!("{program} {}", args.join(" ")))
    }

    /// `kubectl apply` of documents into a namespace.
    pub fn apply(&self, namespace: &str, yaml: &str) -> Result<()> {
        let outcome = self.run("kubectl", &["apply", "-n", namespace, "-f", "-"], yaml)?;
        outcome.stdout().map(drop).with_context(|| yaml.to_owned())
    }

    /// What the API answers to a GET: the JSON, or nothing at 404.
    pub fn get(&self, path: &str) -> Result<Option<Value>> {
        let reply = http::get(self.port.address(), path)?;
        match reply.head.status {
            200 => serde_json::from_slice(&reply.body).map(Some).with_context(|| format!("JSON of {path}")),
            404 => Ok(None),
            status => bail!("GET {path}: {status} {}\n{}", reply.text(), self.proxy.log()),
        }
    }

    /// What the API answers to a POST.
    pub fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let mut connection = http::Connection::open(self.port.address())?;
        let headers = [("Content-Type", "application/json")];
        let reply = connection.exchange("POST", path, &headers, body.to_string().as_bytes())?;
        let answer = serde_json::from_slice(&reply.body).with_context(|| format!("JSON of {path}"))?;
        Ok((reply.head.status, answer))
    }

    /// The status code of a GET, such as one that the API passes on to a pod.
    pub fn status(&self, path: &str) -> Result<u16> {
        Ok(http::get(self.port.address(), path)?.head.status)
    }

    /// What the API answers to a GET, as text: logs, metrics of pods.
    pub fn get_text(&self, path: &str) -> Result<String> {
        let reply = http::get(self.port.address(), path)?;
        ensure!(reply.head.status == 200, "GET {path}: {} {}", reply.head.status, reply.text());
        Ok(reply.text())
    }

    /// Where a test connects for a port of a Service.
    pub fn address(&self, namespace: &str, service: &str, port: u16) -> Result<SocketAddr> {
        let path = format!("/api/v1/namespaces/{namespace}/services/{service}");
        let object = self.get(&path)?.with_context(|| format!("no Service {namespace}/{service}"))?;
        match self.provider {
            Provider::Local => {
                let address = object::text(&object, "/spec/clusterIP").context("a cluster address")?;
                Ok(SocketAddr::new(address.parse().with_context(|| format!("address {address}"))?, port))
            }
            Provider::Kind => self.node_port(namespace, service, port, &object),
        }
    }

    /// A second Service in front of the same pods, on a node port that kind hands out to this machine.
    fn node_port(&self, namespace: &str, service: &str, port: u16, object: &Value) -> Result<SocketAddr> {
        let name = format!("{service}-e2e-{port}");
        let there =
            |found: &Value| object::number(found, "/spec/ports/0/nodePort").and_then(|port| port.try_into().ok());
        let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if let Some(found) = self.get(&format!("/api/v1/namespaces/{namespace}/services/{name}"))? {
            return there(&found).map(local).context("a node port");
        }
        let ports = object.pointer("/spec/ports").and_then(Value::as_array).context("ports of a Service")?;
        let target = ports.iter().find(|entry| entry.get("port") == Some(&Value::from(port)));
        let target = target.with_context(|| format!("{service} has no port {port}"))?;
        let mut refusals = String::new();
        for node_port in NODE_PORTS {
            let copy = serde_json::json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
                "spec": {"type": "NodePort", "selector": object.pointer("/spec/selector"), "ports": [
                    {"port": port, "targetPort": target.get("targetPort"), "nodePort": node_port},
                ]},
            });
            let outcome = self.run("kubectl", &["create", "-n", namespace, "-f", "-"], &copy.to_string())?;
            if outcome.is_success() {
                return Ok(local(node_port));
            }
            refusals.push_str(&outcome.stderr);
        }
        bail!("no free node port for {namespace}/{service}: {refusals}")
    }

    /// Looks at an object until `look` finds what it wants; a failure shows the object as it is last.
    pub fn until<T>(
        &self,
        what: &str,
        within: Duration,
        path: &str,
        mut look: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T> {
        let mut last = None;
        let found = wait::until(what, within, || {
            let object = self.get(path)?;
            let found = object.as_ref().and_then(&mut look);
            last = object;
            Ok(found)
        });
        found.with_context(|| last.map_or_else(|| format!("{path} is not there"), |object| object::shown(&object)))
    }

    /// Waits until an object is gone.
    pub fn until_gone(&self, path: &str, within: Duration) -> Result<()> {
        wait::until(&format!("{path} to be gone"), within, || Ok(self.get(path)?.is_none().then_some(())))
    }

    /// The pods that a selector finds, those too that are being deleted.
    pub fn pods(&self, namespace: &str, selector: &str) -> Result<Vec<Value>> {
        let selector = selector.replace('=', "%3D").replace(',', "%2C").replace('/', "%2F");
        let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={selector}");
        let list = self.get(&path)?.context("a list of pods")?;
        list.get("items").and_then(Value::as_array).cloned().context("items of a list of pods")
    }

    /// Crashes a pod's container: its process is killed on its node.
    pub fn crash(&self, pod: &Value) -> Result<()> {
        let node = object::text(pod, "/spec/nodeName").context("node of a pod")?;
        let id = object::text(pod, "/status/containerStatuses/0/containerID").context("id of a container")?;
        let id = id.trim_start_matches("containerd://");
        script(&["container-kill", node, id])
    }

    /// A power cut, its end, a pulled cable, its end: `node-kill`, `node-boot`, `cut`, `join` of `cluster.sh`.
    pub fn node(&self, verb: &str, node: &str) -> Result<()> {
        script(&[verb, node])
    }

    /// Until the answer is dropped, nothing that a pod sends to the API server arrives there.
    pub fn silence(&self, pod: &Value) -> Result<Silence> {
        let address = object::text(pod, "/status/podIP").context("address of a pod")?.to_owned();
        script(&["silence", &address])?;
        Ok(Silence { address })
    }

    /// Where pods reach this test.
    pub fn host(&self) -> Result<IpAddr> {
        let host = env::var("RINGWAY_CLUSTER_HOST").context("RINGWAY_CLUSTER_HOST: set by `cluster.sh exec`")?;
        host.parse().with_context(|| format!("RINGWAY_CLUSTER_HOST {host}"))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A test that failed says why by itself; the pod is of no use to the next one, which says so.
        drop(script(&["hear", &self.address]));
    }
}

fn script(args: &[&str]) -> Result<()> {
    let script = places::repository().join("e2e/cluster/cluster.sh");
    run(Command::new(script).args(args), "")?.stdout().map(drop)
}

/// Runs a command to its end.
pub fn run(command: &mut Command, input: &str) -> Result<Outcome> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start of {command:?}"))?;
    let mut stdin = child.stdin.take().context("standard input of a command")?;
    let input = input.to_owned();
    // A command that ends without reading all is its own matter.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().with_context(|| format!("end of {command:?}"))?;
    drop(writer.join());
    Ok(Outcome {
        command: format!("{command:?}").replace('"', ""),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

// === impl Outcome ===

impl Outcome {
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// What it printed, when it ended well.
    pub fn stdout(self) -> Result<String> {
        ensure!(self.is_success(), "{}\n{}{}", self.command, self.stdout, self.stderr);
        Ok(self.stdout)
    }

    /// What it complained of; an error when it ended well.
    pub fn refusal(self) -> Result<String> {
        ensure!(!self.is_success(), "{}: was not refused\n{}{}", self.command, self.stdout, self.stderr);
        Ok(self.stderr)
    }
}
