//! One watch: events of the API server into the store, for ever.
//!
//! Decides nothing about objects. Started by `observe` and by `narrow`.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::core::{DynamicObject, Status};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};

use super::Observer;
use super::kind::{Kind, Reach, Watched as _, api_version};
use super::store::{Scope, Trouble};

/// How often an absent kind is asked for.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(30);
/// How soon discovery is tried again when the API server did not answer.
const DISCOVERY_RETRY: Duration = Duration::from_secs(2);

/// Watches a kind that is always there, or will be.
pub(super) async fn steadily(observer: Arc<Observer>, scope: Scope) {
    let version = scope.kind.versions().first().copied().unwrap_or("v1");
    run(&observer, &scope, version).await;
}

/// Watches a kind for as long as the API server has it, and looks out for it otherwise.
pub(super) async fn when_served(observer: Arc<Observer>, scope: Scope) {
    loop {
        match served(&observer.client, scope.kind).await {
            Ok(Some(version)) => {
                tracing::info!(kind = %scope.kind, version, "served; watching");
                run(&observer, &scope, version).await;
                // Whether it is gone, or was not found only once, is for the next look to say.
                tokio::time::sleep(DISCOVERY_RETRY).await;
            }
            Ok(None) => {
                if observer.store().is_listed(&scope)
                    && observer.store().troubles().get(&scope) != Some(&Trouble::Absent)
                {
                    tracing::info!(kind = %scope.kind, "no longer served");
                }
                observer.change(|store| store.trouble(&scope, Trouble::Absent));
                tokio::time::sleep(DISCOVERY_INTERVAL).await;
            }
            Err(error) => {
                tracing::warn!(kind = %scope.kind, error = &error as &dyn std::error::Error, "discovery failed");
                tokio::time::sleep(DISCOVERY_RETRY).await;
            }
        }
    }
}

/// The best version of a kind that the API server has.
async fn served(client: &Client, kind: Kind) -> kube::Result<Option<&'static str>> {
    for version in kind.versions() {
        match client.list_api_group_resources(&api_version(kind, version)).await {
            Ok(list) if list.resources.iter().any(|resource| resource.name == kind.plural()) => {
                return Ok(Some(version));
            }
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() || status.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Ends only when an optional kind is no longer served.
async fn run(observer: &Observer, scope: &Scope, version: &str) {
    let resource = scope.kind.resource(&api_version(scope.kind, version));
    let client = observer.client.clone();
    let api: Api<DynamicObject> = match &scope.namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let mut events = pin!(watcher(api, watcher::Config::default()).default_backoff());
    let mut list = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => list.clear(),
            Ok(Event::InitApply(object)) => list.push(typed(object, &resource.api_version, scope.kind)),
            Ok(Event::InitDone) => {
                let list = std::mem::take(&mut list);
                observer.change(|store| store.list(scope, list));
            }
            Ok(Event::Apply(object)) => {
                let object = typed(object, &resource.api_version, scope.kind);
                observer.change(|store| store.apply(scope.kind, object));
            }
            Ok(Event::Delete(object)) => observer.change(|store| store.delete(scope.kind, &object)),
            Err(error) => {
                let trouble = trouble(&error);
                told(observer, scope, trouble, &error);
                if trouble == Trouble::Absent && scope.kind.reach() == Reach::Optional {
                    return;
                }
                observer.change(|store| store.trouble(scope, trouble));
            }
        }
    }
}

/// Items of lists of built-in kinds do not say what they are.
fn typed(mut object: DynamicObject, api_version: &str, kind: Kind) -> DynamicObject {
    let types = kube::core::TypeMeta { api_version: api_version.to_owned(), kind: kind.kind().to_owned() };
    object.types = Some(types);
    object.metadata.managed_fields = None;
    object
}

fn trouble(error: &watcher::Error) -> Trouble {
    match refusal(error).map(|status| status.code) {
        Some(403) => Trouble::Forbidden,
        Some(404) => Trouble::Absent,
        _ => Trouble::Failing,
    }
}

/// What the API server said, if it said anything.
fn refusal(error: &watcher::Error) -> Option<&Status> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        _ => None,
    }
}

/// Once as it begins; a watch that goes on failing does not fill the log.
fn told(observer: &Observer, scope: &Scope, trouble: Trouble, error: &watcher::Error) {
    let namespace = scope.namespace.as_deref().unwrap_or("*");
    let reason = refusal(error).map_or_else(|| error.to_string(), |status| status.message.clone());
    if observer.store().troubles().get(scope) == Some(&trouble) {
        tracing::debug!(kind = %scope.kind, namespace, reason, "watch still fails");
    } else {
        tracing::warn!(kind = %scope.kind, namespace, ?trouble, reason, "watch fails");
    }
}
