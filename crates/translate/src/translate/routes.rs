//! All routes: each read, attached to its listeners, guarded, and set against the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ringway_crds::GroupKind;
use ringway_snapshot::{ListenerName, ObjectName, Route};

use crate::attach::{self, Grounds, Parent};
use crate::conflict::{self, Claimant, Loss, Place};
use crate::gateway::Gateways;
use crate::guard::Guards;
use crate::judge::Charges;
use crate::object::{Content, Object};
use crate::path::FieldPath;
use crate::problem::{Problem, Reason, Severity};
use crate::route::{self, Draft, Known};
use crate::scope::Scope;
use crate::verdict::{Condition, ParentVerdict, RouteVerdict, Verdict};

/// The outcome for all routes.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) served: BTreeMap<ObjectName, Arc<Route>>,
    pub(super) problems: Vec<Problem>,
    /// Empty in standalone mode.
    pub(super) verdicts: BTreeMap<ObjectName, RouteVerdict>,
    /// How many routes each listener took.
    pub(super) attached: BTreeMap<ListenerName, usize>,
}

/// One route on its way.
struct Trial<'a> {
    object: &'a Object,
    /// `None`: refused as it was read.
    draft: Option<Draft>,
    /// Of the route itself, guards included.
    problems: Vec<Problem>,
    is_guarded: bool,
    parents: Vec<Parent>,
}

/// On which listeners an older route was first.
type Losses = BTreeMap<Option<ListenerName>, Loss>;

pub(super) fn routes(known: Known<'_>, grounds: Option<Grounds<'_>>, guards: &Guards<'_>) -> Outcome {
    let objects = known.refs.world.unique(GroupKind::MCPRoute);
    let trials: Vec<Trial<'_>> = objects.filter_map(|object| trial(object, known, grounds, guards)).collect();
    let whole: Vec<&Trial<'_>> = trials.iter().filter(|trial| trial.is_whole()).collect();
    let claimants: Vec<Claimant<'_>> = whole.iter().filter_map(|trial| trial.claimant(grounds.is_some())).collect();
    let losses = conflict::settle(&claimants);
    let lost: BTreeMap<&ObjectName, &Losses> =
        claimants.iter().map(|claimant| &claimant.object.id.name).zip(&losses).collect();
    let none = Losses::new();
    let mut outcome = Outcome::default();
    for trial in &trials {
        let losses = lost.get(&trial.object.id.name).copied().unwrap_or(&none);
        trial.conclude(losses, grounds.map(|grounds| grounds.gateways), &mut outcome);
    }
    outcome
}

/// `None`: nothing can be said of it that was not said as it was read.
fn trial<'a>(
    object: &'a Object,
    known: Known<'_>,
    grounds: Option<Grounds<'_>>,
    guards: &Guards<'_>,
) -> Option<Trial<'a>> {
    let mut scope = Scope::new(object);
    let (draft, references) = match &object.content {
        Content::Route(spec) => (Some(route::route(&mut scope, known, spec)), spec.parent_refs.as_deref()),
        Content::Refused { parents } if grounds.is_some() => (None, parents.as_deref()),
        _ => return None,
    };
    if object.meta.creation_timestamp.is_some() && conflict::created(object).is_none() {
        let message = "is no RFC 3339 time; leave it out, or conflicts are settled by name";
        scope.warning(&FieldPath::of("metadata.creationTimestamp"), Reason::InvalidValue, message);
    }
    let whole = draft.as_ref().filter(|draft| draft.is_whole);
    let guard = whole.and_then(|draft| guards.of_route(&object.id.name, draft.route.as_ref()));
    let is_guarded = guard.is_some();
    if let Some(message) = guard {
        scope.error(&FieldPath::of("metadata.name"), Reason::UnsupportedValue, message);
    }
    if grounds.is_none() && references.is_some() {
        let message = "means nothing here: this process has one listener, and every route is on it";
        scope.warning(&FieldPath::of("spec.parentRefs"), Reason::Ignored, message);
    }
    let hostnames = whole.map(|draft| draft.hostnames.as_slice()).unwrap_or_default();
    let mut parents = grounds
        .map(|grounds| attach::parents(grounds, &object.id.name.namespace, references, hostnames))
        .unwrap_or_default();
    for parent in parents.iter_mut().filter(|parent| parent.places.is_ok()) {
        if let Some(message) = guards.of_gateway(&parent.gateway) {
            parent.places = Err(("UnsupportedValue", message));
        }
    }
    Some(Trial { object, draft, problems: scope.into_problems(), is_guarded, parents })
}

// === impl Trial ===

impl<'a> Trial<'a> {
    fn is_whole(&self) -> bool {
        self.draft.as_ref().is_some_and(|draft| draft.is_whole)
    }

    fn claimant(&self, is_cluster: bool) -> Option<Claimant<'_>> {
        let draft = self.draft.as_ref()?;
        let places = if is_cluster { self.places().cloned().collect() } else { vec![only_place(draft)] };
        Some(Claimant { object: self.object, path: &draft.path, places })
    }

    fn conclude(&self, losses: &Losses, gateways: Option<&Gateways>, outcome: &mut Outcome) {
        outcome.problems.extend(self.problems.iter().cloned());
        outcome.problems.extend(self.placement(losses));
        let listeners = self.listeners(losses);
        let is_placed = if gateways.is_some() { !listeners.is_empty() } else { losses.is_empty() };
        let route = self.draft.as_ref().and_then(|draft| draft.route.as_ref());
        let route = route.filter(|_| is_placed && !self.is_guarded);
        if let Some(gateways) = gateways {
            let verdict = self.verdict(losses, gateways, route.is_some());
            outcome.verdicts.insert(self.object.id.name.clone(), verdict);
        }
        if self.is_whole() && !self.is_guarded {
            for listener in &listeners {
                *outcome.attached.entry(listener.clone()).or_default() += 1;
            }
        }
        if let Some(route) = route {
            let route = Route { listeners: listeners.into_iter().collect(), ..route.clone() };
            outcome.served.insert(route.name.clone(), Arc::new(route));
        }
    }

    /// Where its parents let it be.
    fn places(&self) -> impl Iterator<Item = &Place> {
        self.parents.iter().filter_map(|parent| parent.places.as_ref().ok()).flatten()
    }

    /// Those of them that no older route has.
    fn kept(&self, losses: &Losses) -> impl Iterator<Item = &Place> {
        self.places().filter(|place| !losses.contains_key(&place.listener))
    }

    fn listeners(&self, losses: &Losses) -> BTreeSet<ListenerName> {
        self.kept(losses).filter_map(|place| place.listener.clone()).collect()
    }

    /// Where it has none, and why.
    fn placement(&self, losses: &Losses) -> Vec<Problem> {
        let error = |field: &FieldPath, reason, message: &str| {
            self.object.problem(field.clone(), reason, Severity::Error, message.to_owned())
        };
        let refused = self.parents.iter().filter(|_| self.is_whole()).filter_map(|parent| {
            let (condition, message) = parent.places.as_ref().err()?;
            Some(error(&parent.field, Reason::NotAttached, &format!("{condition}: {message}")))
        });
        let lost = losses.values().map(|loss| error(&loss.field, Reason::Conflicted, &loss.message));
        refused.chain(lost).collect()
    }

    fn verdict(&self, losses: &Losses, gateways: &Gateways, is_route_served: bool) -> RouteVerdict {
        let charges = Charges::new(self.object, &self.problems);
        let parents: Vec<_> =
            self.parents.iter().map(|parent| self.parent_verdict(parent, &charges, losses, is_route_served)).collect();
        let url = if is_route_served { self.url(losses, gateways) } else { None };
        RouteVerdict { parents, url }
    }

    fn parent_verdict(
        &self,
        parent: &Parent,
        charges: &Charges<'_>,
        losses: &Losses,
        is_route_served: bool,
    ) -> ParentVerdict {
        let places = parent.places.as_deref().unwrap_or_default();
        let (lost, kept): (Vec<&Place>, Vec<&Place>) =
            places.iter().partition(|place| losses.contains_key(&place.listener));
        let is_served = is_route_served && !kept.is_empty();
        let loss = lost.first().and_then(|place| losses.get(&place.listener));
        let loss = loss.map(|loss| format!("{}: {}", loss.field, loss.message));
        let mut verdict = charges.verdict("BackendNotFound", is_served);
        if verdict.resolved_refs.is_true {
            verdict.resolved_refs.message = charges.notes();
        }
        if verdict.accepted.is_true {
            match (&parent.places, loss) {
                (Err((reason, message)), _) => {
                    verdict.accepted = Condition::no(reason, format!("{}: {message}", parent.field));
                }
                (Ok(_), Some(message)) if kept.is_empty() => verdict.accepted = Condition::no("Conflicted", message),
                (Ok(_), Some(message)) if verdict.conflicted.is_none() => {
                    verdict.conflicted = Some(Condition { is_true: true, reason: "RouteConflict", message });
                }
                (Ok(_), _) => {}
            }
        }
        let mut listeners: Vec<_> = kept.iter().filter_map(|place| place.listener.clone()).collect();
        if !is_served {
            listeners.clear();
        }
        listeners.sort();
        let verdict = Verdict { is_served, ..verdict };
        ParentVerdict { parent_ref: parent.reference.clone(), verdict, listeners }
    }

    /// Where clients find it: at a listener with TLS before one without.
    fn url(&self, losses: &Losses, gateways: &Gateways) -> Option<String> {
        let path = &self.draft.as_ref()?.path;
        let mut urls: Vec<(bool, String)> = self
            .kept(losses)
            .filter_map(|place| {
                let listening = gateways.find(place.listener.as_ref()?)?;
                let host = place.hosts.iter().map(|(_, host)| host).find(|host| is_name(host))?;
                let (scheme, default) = if listening.tls.is_some() { ("https", 443) } else { ("http", 80) };
                let port = if listening.port == default { String::new() } else { format!(":{}", listening.port) };
                Some((listening.tls.is_none(), format!("{scheme}://{host}{port}{path}")))
            })
            .collect();
        urls.sort_by_key(|(is_plain, _)| *is_plain);
        urls.into_iter().next().map(|(_, url)| url)
    }
}

/// One that a client can dial: neither every host nor a pattern.
fn is_name(host: &str) -> bool {
    !host.is_empty() && !host.starts_with('*')
}

/// The one listener of a process has every host.
fn only_place(draft: &Draft) -> Place {
    let hosts = if draft.hostnames.is_empty() {
        vec![(FieldPath::of("spec.path"), String::new())]
    } else {
        let field = FieldPath::of("spec.hostnames");
        draft.hostnames.iter().enumerate().map(|(index, host)| (field.index(index), host.clone())).collect()
    };
    Place { listener: None, hosts }
}
