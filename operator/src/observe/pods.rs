//! The data plane's pods: which there are, and which of them take traffic.
//!
//! Says nothing about what they serve; they say that themselves, on the config stream.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use tokio::sync::watch::Sender;

use super::Observer;
use super::feed::Feed;
use super::pause::Pause;
use super::watch::{Failure, WATCH_SECONDS};

/// By name, in the install's namespace.
pub type Fleet = BTreeMap<String, SeenPod>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenPod {
    pub uid: String,
    pub is_ready: bool,
    pub is_terminating: bool,
}

/// Runs for ever.
pub(super) async fn watch(observer: Arc<Observer>) {
    let install = &observer.install;
    let api: Api<Pod> = Api::namespaced(observer.client.clone(), &install.namespace);
    let labels = format!("app.kubernetes.io/component=dataplane,app.kubernetes.io/instance={}", install.name);
    let (mut pause, mut renewals) = (Pause::default(), observer.renewals.subscribe());
    loop {
        let ended = tokio::select! {
            ended = follow(&api, &labels, &observer.fleet, &mut pause) => ended,
            _ = renewals.changed() => continue,
        };
        if let Err(error) = ended {
            tracing::warn!(error = &error as &dyn std::error::Error, "watch of the data plane's pods fails");
            pause.wait(&mut renewals).await;
        }
    }
}

/// A list and what follows it, until something fails.
async fn follow(api: &Api<Pod>, labels: &str, fleet: &Sender<Option<Fleet>>, pause: &mut Pause) -> Result<(), Failure> {
    let events = pin!(watcher(api.clone(), watcher::Config::default().labels(labels).timeout(WATCH_SECONDS)));
    let (mut feed, mut list) = (Feed::new(events), Fleet::new());
    while let Some(event) = feed.next(pause).await? {
        match event {
            Event::Init => list.clear(),
            Event::InitApply(pod) => drop(list.insert(pod.name_any(), seen(&pod))),
            Event::InitDone => {
                let list = std::mem::take(&mut list);
                fleet.send_if_modified(|fleet| fleet.replace(list.clone()).as_ref() != Some(&list));
            }
            Event::Apply(pod) => {
                let (name, pod) = (pod.name_any(), seen(&pod));
                change(fleet, |pods| pods.insert(name, pod.clone()).as_ref() != Some(&pod));
            }
            Event::Delete(pod) => change(fleet, |pods| pods.remove(&pod.name_any()).is_some()),
        }
    }
    Ok(())
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
