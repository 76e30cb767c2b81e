//! Flux's kustomize-controller, as a process beside the control plane, and a repository for it.
//!
//! There is no source-controller: who changes the repository serves its archive and writes that into the status of the GitRepository, which is all
//! that the kustomize-controller sees of a source. It was built by `e2e/cluster/build.sh flux`, whose folder `RINGWAY_FLUX` names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use tempfile::TempDir;

use super::object;
use super::{Cluster, run};
use crate::places;
use crate::port::Port;
use crate::process::Daemon;

/// Where Flux's resources stand, in our samples too.
pub const NAMESPACE: &str = "flux-system";
const PATIENCE: Duration = Duration::from_secs(60);
/// What a repository of a platform team has of this one.
const CONTENT: &[&str] = &["deploy", "charts/ringway-crds/files"];

/// The controller, and the repository that it follows.
#[derive(Debug)]
pub struct Flux<'a> {
    cluster: &'a Cluster,
    folder: TempDir,
    /// Serves the archives.
    archives: Port,
    controller: Daemon,
    _server: Daemon,
    revisions: u32,
}

/// How a Kustomization ended with a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// All is applied and healthy.
    Ready,
    /// It says why not.
    Failed(String),
}

// === impl Flux ===

impl<'a> Flux<'a> {
    /// Starts it with a copy of what this repository has for Flux, not committed yet.
    pub fn start(cluster: &'a Cluster) -> Result<Self> {
        let built = std::env::var_os("RINGWAY_FLUX").context("RINGWAY_FLUX is not set: run `just kubernetes-full`")?;
        let built = PathBuf::from(built);
        cluster.kubectl(&["apply", "--server-side", "-f", &built.join("crds").to_string_lossy()])?;
        cluster.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
        let folder = tempfile::tempdir().context("a folder for Flux")?;
        let tree = folder.path().join("tree");
        for path in CONTENT {
            let to = tree.join(path);
            fs::create_dir_all(to.parent().context("parent of a folder")?).context("a folder of the repository")?;
            run(Command::new("cp").arg("-R").arg(places::repository().join(path)).arg(&to), "")?.stdout()?;
        }
        fs::create_dir(folder.path().join("archives")).context("a folder for archives")?;
        let archives = Port::claim()?;
        let mut server = Command::new("python3");
        server.args(["-m", "http.server", "--bind", "127.0.0.1", "--directory"]).arg(folder.path().join("archives"));
        server.arg(archives.number().to_string());
        let mut server = Daemon::start("archives", &mut server, folder.path())?;
        server.listens(archives.address(), PATIENCE)?;
        let (metrics, health) = (Port::claim()?, Port::claim()?);
        let mut controller = Command::new(built.join("kustomize-controller"));
        controller.args([
            "--metrics-addr",
            &metrics.address().to_string(),
            "--health-addr",
            &health.address().to_string(),
        ]);
        controller.args(["--requeue-dependency", "1s", "--no-remote-bases", "--log-level", "info"]);
        let mut controller = Daemon::start("kustomize-controller", &mut controller, folder.path())?;
        controller.listens(health.address(), PATIENCE)?;
        Ok(Self { cluster, folder, archives, controller, _server: server, revisions: 0 })
    }

    /// Where a file of the repository is.
    fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join("tree").join(path)
    }

    /// Writes a file of the repository.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let file = self.file(path);
        fs::create_dir_all(file.parent().context("parent of a file")?).context("a folder of the repository")?;
        fs::write(&file, text).with_context(|| file.display().to_string())
    }

    /// Everything as it is now becomes the newest revision of the GitRepository `name`.
    pub fn commit(&mut self, name: &str) -> Result<String> {
        self.revisions += 1;
        let file = format!("{}.tar.gz", self.revisions);
        let archive = self.folder.path().join("archives").join(&file);
        run(Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(self.file("")).arg("."), "")?.stdout()?;
        let revision = format!("main@sha1:{:040x}", self.revisions);
        let now = run(Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]), "")?.stdout()?;
        let status = json!({"status": {
            "artifact": {
                "url": format!("http://{}/{file}", self.archives.address()), "path": file, "revision": revision,
                "digest": format!("sha256:{}", sha256(&archive)?), "lastUpdateTime": now.trim(),
                "size": fs::metadata(&archive).context("an archive")?.len(),
            },
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored", "observedGeneration": 1,
                "lastTransitionTime": now.trim(),
            }],
            "observedGeneration": 1,
        }});
        let (patch, resource) = (status.to_string(), format!("gitrepository/{name}"));
        let args = ["-n", NAMESPACE, "patch", &resource, "--subresource=status", "--type=merge", "-p", &patch];
        self.cluster.kubectl(&args)?;
        Ok(revision)
    }

    /// Waits until a Kustomization came to an end with a revision.
    pub fn applied(&mut self, name: &str, revision: &str, within: Duration) -> Result<Applied> {
        let what = format!("Kustomization {name} to end with {revision}");
        let found = self.cluster.until(&what, within, &path(name), |found| {
            let ready = object::condition(found, "Ready")?;
            // While it works, Ready is Unknown.
            match object::says(found, "Ready")? {
                "True" if object::text(found, "/status/lastAppliedRevision") == Some(revision) => Some(Applied::Ready),
                "False" if object::text(found, "/status/lastAttemptedRevision") == Some(revision) => {
                    Some(Applied::Failed(format!("{}: {}", ready.reason, ready.message)))
                }
                _ => None,
            }
        });
        self.controller.alive()?;
        found.with_context(|| self.controller.log())
    }

    /// Waits until a Kustomization is Ready at a revision, whatever it said on the way there.
    pub fn becomes_ready(&mut self, name: &str, revision: &str, within: Duration) -> Result<()> {
        let what = format!("Kustomization {name} to be Ready at {revision}");
        let found = self.cluster.until(&what, within, &path(name), |found| {
            let is_there = object::text(found, "/status/lastAppliedRevision") == Some(revision);
            object::condition(found, "Ready").filter(|ready| ready.is_true && is_there).map(drop)
        });
        found.with_context(|| self.controller.log())
    }

    /// Takes a Kustomization away, and waits until what it applied is being deleted.
    pub fn delete(&self, name: &str) -> Result<()> {
        let resource = format!("kustomization/{name}");
        let args = ["-n", NAMESPACE, "delete", &resource, "--ignore-not-found", "--timeout=60s"];
        self.cluster.kubectl(&args).map(drop).with_context(|| self.controller.log())
    }
}

fn path(name: &str) -> String {
    format!("/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{NAMESPACE}/kustomizations/{name}")
}

fn sha256(file: &Path) -> Result<String> {
    let said = run(Command::new("sha256sum").arg(file), "")?.stdout()?;
    let Some((digest, _)) = said.split_once(' ') else { bail!("sha256sum said {said}") };
    ensure!(digest.len() == 64, "sha256sum said {said}");
    Ok(digest.to_owned())
}
