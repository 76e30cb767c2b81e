//! The data plane's pods: which there are, and which of them take traffic.
//!
//! Says nothing about what they serve; they say that themselves, on the config stream.

use std::collections::BTreeMap;
use std::pin::pin;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use ringway_translate::install::ClusterInstall;
use tokio::sync::watch::Sender;

/// By name, in the install's namespace.
pub type Fleet = BTreeMap<String, SeenPod>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenPod {
    pub uid: String,
    pub is_ready: bool,
    pub is_terminating: bool,
}

/// Runs for ever.
pub(super) async fn watch(client: Client, install: ClusterInstall, fleet: Sender<Option<Fleet>>) {
    let api: Api<Pod> = Api::namespaced(client, &install.namespace);
    let labels = format!("app.kubernetes.io/component=dataplane,app.kubernetes.io/instance={}", install.name);
    let mut events = pin!(watcher(api, watcher::Config::default().labels(&labels)).default_backoff());
    let mut list = Fleet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => list.clear(),
            Ok(Event::InitApply(pod)) => drop(list.insert(pod.name_any(), seen(&pod))),
            Ok(Event::InitDone) => {
                let list = std::mem::take(&mut list);
                fleet.send_if_modified(|fleet| fleet.replace(list.clone()).as_ref() != Some(&list));
            }
            Ok(Event::Apply(pod)) => {
                let (name, pod) = (pod.name_any(), seen(&pod));
                change(&fleet, |pods| pods.insert(name, pod.clone()).as_ref() != Some(&pod));
            }
            Ok(Event::Delete(pod)) => change(&fleet, |pods| pods.remove(&pod.name_any()).is_some()),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "watch of the data plane's pods fails");
            }
        }
    }
}

fn change(fleet: &Sender<Option<Fleet>>, change: impl FnOnce(&mut Fleet) -> bool) {
    fleet.send_if_modified(|fleet| change(fleet.get_or_insert_default()));
}

fn seen(pod: &Pod) -> SeenPod {
    let conditions = pod.status.iter().filter_map(|status| status.conditions.as_ref()).flatten();
    let is_ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    SeenPod { uid, is_ready, is_terminating: pod.metadata.deletion_timestamp.is_some() }
}
