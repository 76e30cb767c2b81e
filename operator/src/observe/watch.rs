//! One watch: events of the API server into the store, for ever.
//!
//! Decides nothing about objects. Started by `observe` and by `narrow`.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, Status};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::Observer;
use super::entry::revision;
use super::feed::Feed;
use super::kind::{Kind, Reach, Watched as _, api_version};
use super::pause::Pause;
use super::rights::{self, Denial};
use super::store::{Change, Scope, Trouble};

/// How often an absent kind is asked for.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(30);
/// How soon discovery is tried again when the API server did not answer.
const DISCOVERY_RETRY: Duration = Duration::from_secs(2);
/// For an answer, or a page of a list. Nobody else bounds these calls.
pub(super) const CALL: Duration = Duration::from_secs(30);
/// After so long a watch is made anew where it ended, so that one that went dead without a word is noticed: well within
/// the time that a pod holds. Those of Secrets, of which there are many, keep kube's time of some minutes.
pub(super) const WATCH_SECONDS: u32 = 20;
/// How long names gather that are asked for.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// Objects in a page of a list.
const PAGE: u32 = 500;

/// Watches a kind that is always there, or will be.
pub(super) async fn steadily(observer: Arc<Observer>, scope: Scope) {
    run(&observer, &scope, version(scope.kind), &mut Pause::default()).await;
}

/// Watches in a namespace for as long as the operator may read there, and looks out for the right otherwise.
pub(super) async fn where_permitted(observer: Arc<Observer>, scope: Scope) {
    let mut pause = Pause::default();
    loop {
        permitted(&observer, &scope).await;
        tokio::select! {
            () = run(&observer, &scope, version(scope.kind), &mut pause) => {}
            () = denied(&observer, &scope) => {}
        }
    }
}

/// Until the operator may read there. What was read by a right that is gone is forgotten.
async fn permitted(observer: &Observer, scope: &Scope) {
    let (mut pause, mut denial) = (Pause::default(), Denial::default());
    let mut renewals = observer.renewals.subscribe();
    loop {
        let (failure, trouble) = match observer.rights.may_read(&observer.client, scope).await {
            Ok(true) => return,
            Ok(false) => (Failure::Denied, Trouble::Forbidden),
            Err(failure) => (failure, Trouble::Failing),
        };
        let holds = observer.store().holds(scope);
        if trouble != Trouble::Forbidden || denial.is_final(Instant::now(), holds) {
            told(observer, scope, trouble, &failure);
            observer.change(|store| store.trouble(scope, trouble));
        }
        // The longest of its pauses is for who fails, not for who is refused.
        let _ = timeout(rights::look(observer.narrow_watches()), pause.wait(&mut renewals)).await;
    }
}

/// Until the operator may not read there any more. No answer is no denial.
async fn denied(observer: &Observer, scope: &Scope) {
    loop {
        tokio::time::sleep(rights::look(observer.narrow_watches())).await;
        if let Ok(false) = observer.rights.may_read(&observer.client, scope).await {
            return;
        }
    }
}

/// Watches a kind for as long as the API server has it, and looks out for it otherwise.
pub(super) async fn when_served(observer: Arc<Observer>, scope: Scope) {
    let mut pause = Pause::default();
    loop {
        match served(&observer.client, scope.kind).await {
            Ok(Some(version)) => {
                tracing::info!(kind = %scope.kind, version, "served; watching");
                run(&observer, &scope, version, &mut pause).await;
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
async fn served(client: &Client, kind: Kind) -> Result<Option<&'static str>, Failure> {
    for version in kind.versions() {
        match timeout(CALL, client.list_api_group_resources(&api_version(kind, version))).await? {
            Ok(list) if list.resources.iter().any(|resource| resource.name == kind.plural()) => {
                return Ok(Some(version));
            }
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() || status.code == 404 => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Ends when an optional kind is no longer served, or a narrow one may not be read.
async fn run(observer: &Observer, scope: &Scope, version: &str, pause: &mut Pause) {
    let resource = scope.kind.resource(&api_version(scope.kind, version));
    let api = api(observer, scope, &resource);
    let mut renewals = observer.renewals.subscribe();
    loop {
        let ended = tokio::select! {
            ended = watch(observer, scope, &api, &resource.api_version, pause) => ended,
            _ = renewals.changed() => continue,
        };
        let Err(failure) = ended else { continue };
        if failure.is_outdated() {
            pause.wait(&mut renewals).await;
            continue;
        }
        let trouble = failure.trouble();
        told(observer, scope, trouble, &failure);
        match (scope.kind.reach(), trouble) {
            (Reach::Optional, Trouble::Absent) => return,
            // An access review allowed it: the next one says whether it is to be believed of what is held.
            (Reach::Narrow, Trouble::Forbidden) => {
                observer
                    .change(|store| if store.holds(scope) { Change::Nothing } else { store.trouble(scope, trouble) });
                return pause.wait(&mut renewals).await;
            }
            _ => observer.change(|store| store.trouble(scope, trouble)),
        }
        pause.wait(&mut renewals).await;
    }
}

/// Of the kinds that are not looked for.
fn version(kind: Kind) -> &'static str {
    kind.versions().first().copied().unwrap_or("v1")
}

fn api(observer: &Observer, scope: &Scope, resource: &ApiResource) -> Api<DynamicObject> {
    let client = observer.client.clone();
    match &scope.namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, resource),
        None => Api::all_with(client, resource),
    }
}

/// A list and what follows it, until something fails. Then a new list says what holds, and that all is well again: a watch
/// that goes on where it ended says neither.
async fn watch(
    observer: &Observer,
    scope: &Scope,
    api: &Api<DynamicObject>,
    api_version: &str,
    pause: &mut Pause,
) -> Result<(), Failure> {
    let config = watcher::Config::default();
    let config = if scope.kind.reach() == Reach::Narrow { config } else { config.timeout(WATCH_SECONDS) };
    let events = pin!(watcher(api.clone(), config));
    let mut feed = Feed::new(events);
    // Of the list that is under way.
    let (mut list, mut revision) = (Vec::new(), 0);
    while let Some(event) = feed.next(pause).await? {
        match event {
            Event::Init => {
                list.clear();
                // The watcher keeps to itself how new its list is: at least as new as what is asked for before.
                revision = current(api).await?;
            }
            Event::InitApply(object) => list.push(typed(object, api_version, scope.kind)),
            Event::InitDone => {
                let list = std::mem::take(&mut list);
                observer.change(|store| store.list(scope, revision, list));
            }
            Event::Apply(object) => {
                let object = typed(object, api_version, scope.kind);
                observer.change(|store| store.apply(scope.kind, object));
            }
            Event::Delete(object) => observer.change(|store| store.delete(scope.kind, &object)),
        }
    }
    Ok(())
}

/// The resourceVersion that a list has now.
async fn current(api: &Api<DynamicObject>) -> Result<u64, Failure> {
    let list = timeout(CALL, api.list_metadata(&ListParams::default().limit(1))).await??;
    Ok(revision(list.metadata.resource_version.as_deref()))
}

/// Reads what a running watch has passed by, each time that it is told of names; for ever.
pub(super) async fn ask(observer: Arc<Observer>, scope: Scope, added: Arc<Notify>) {
    let version = api_version(scope.kind, version(scope.kind));
    let api = api(&observer, &scope, &scope.kind.resource(&version));
    loop {
        added.notified().await;
        let (mut pause, mut renewals) = (Pause::default(), observer.renewals.subscribe());
        loop {
            let names = observer.store().pending(&scope);
            if names.is_empty() {
                break;
            }
            match named(&api, &names).await {
                Ok((revision, objects)) => {
                    let objects = objects.into_iter().map(|object| typed(object, &version, scope.kind)).collect();
                    observer.change(|store| store.answered(&scope, revision, &names, objects));
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                Err(failure) => {
                    let namespace = scope.namespace.as_deref().unwrap_or_default();
                    tracing::warn!(kind = %scope.kind, namespace, reason = %failure, "what is newly named cannot be read");
                    observer.store().unanswered(&scope);
                    pause.wait(&mut renewals).await;
                }
            }
        }
    }
}

/// Objects of `names` and the version of the answer. One is asked for by name (a list, which is all that the Role lets),
/// more by a list of everything.
async fn named(api: &Api<DynamicObject>, names: &BTreeSet<String>) -> Result<(u64, Vec<DynamicObject>), Failure> {
    let mut params = match names.first() {
        Some(name) if names.len() == 1 => ListParams::default().fields(&format!("metadata.name={name}")),
        _ => ListParams::default().limit(PAGE),
    };
    let mut objects = Vec::new();
    loop {
        let page = timeout(CALL, api.list(&params)).await??;
        objects.extend(page.items.into_iter().filter(|object| names.contains(&object.name_any())));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok((revision(page.metadata.resource_version.as_deref()), objects)),
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

/// Why nothing can be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Watch(#[from] watcher::Error),
    #[error(transparent)]
    Call(#[from] kube::Error),
    #[error("the API server does not answer")]
    Silence(#[from] tokio::time::error::Elapsed),
    #[error("the operator's ServiceAccount has no right to list and watch there")]
    Denied,
}

// === impl Failure ===

impl Failure {
    fn trouble(&self) -> Trouble {
        if matches!(self, Self::Denied) {
            return Trouble::Forbidden;
        }
        match self.refusal().map(|status| status.code) {
            Some(403) => Trouble::Forbidden,
            Some(404) => Trouble::Absent,
            _ => Trouble::Failing,
        }
    }

    /// The watch was too far behind, which a new list mends.
    fn is_outdated(&self) -> bool {
        self.refusal().is_some_and(|status| status.code == 410)
    }

    /// What the API server said, if it said anything.
    fn refusal(&self) -> Option<&Status> {
        match self {
            Self::Call(kube::Error::Api(status))
            | Self::Watch(
                watcher::Error::InitialListFailed(kube::Error::Api(status))
                | watcher::Error::WatchStartFailed(kube::Error::Api(status))
                | watcher::Error::WatchFailed(kube::Error::Api(status))
                | watcher::Error::WatchError(status),
            ) => Some(status),
            _ => None,
        }
    }
}

/// Once as it begins; a watch that goes on failing does not fill the log.
fn told(observer: &Observer, scope: &Scope, trouble: Trouble, failure: &Failure) {
    let namespace = scope.namespace.as_deref().unwrap_or("*");
    let reason = failure.refusal().map_or_else(|| failure.to_string(), |status| status.message.clone());
    if observer.store().troubles().get(scope) == Some(&trouble) {
        tracing::debug!(kind = %scope.kind, namespace, reason, "watch still fails");
    } else {
        tracing::warn!(kind = %scope.kind, namespace, ?trouble, reason, "watch fails");
    }
}
