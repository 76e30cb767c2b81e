//! Ringway's own objects and the Gateways of its classes, by their conditions: what is not served, and why.

use ringway_crds::GATEWAY_API_GROUP;
use serde_json::Value;

use crate::status::facts::{Facts, Gateways, Objects};
use crate::status::report::{Check, Level};

/// Where a reason stands: in the order in which they follow from each other.
const STEPS: [&str; 3] = ["Accepted", "ResolvedRefs", "Programmed"];
/// Trouble while true.
const TROUBLE: [&str; 2] = ["Conflicted", "ToolsChanged"];

/// A condition as Kubernetes writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
}

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    let mut checks = Vec::new();
    for (kind, looked) in &facts.objects {
        match looked {
            Err(error) => checks.push(Check::blind(&format!("objects of kind {kind}"), error)),
            // Said where the definitions are.
            Ok(None) => {}
            Ok(Some(objects)) => checks.extend(of_kind(kind, objects)),
        }
    }
    match &facts.gateways {
        Err(error) => checks.push(Check::blind("Gateways and their classes", error)),
        Ok(Gateways::NoApi) => checks.push(Check::ok(format!("Gateway: {GATEWAY_API_GROUP} is not installed"))),
        Ok(Gateways::Ours(gateways)) => {
            let found: Vec<Check> = gateways.iter().flat_map(gateway).collect();
            if found.is_empty() {
                checks.push(Check::ok(format!("Gateway: {} of Ringway's classes, all programmed", gateways.len())));
            }
            checks.extend(found);
        }
    }
    checks
}

fn of_kind(kind: &str, objects: &Objects) -> Vec<Check> {
    let mut checks: Vec<Check> = objects.items.iter().flat_map(|object| judge(kind, object)).collect();
    if checks.is_empty() {
        checks.push(Check::ok(match objects.items.len() {
            0 => format!("{kind}: none"),
            count => format!("{kind}: {count}, all ready"),
        }));
    }
    if let Some(namespace) = &objects.namespace {
        let text = format!("{kind}: only those of namespace {namespace} were looked at");
        let remedy = "the others take a role that may list them in all namespaces";
        checks.push(Check { level: Level::Unchecked, ..Check::warning(text, remedy) });
    }
    checks
}

fn judge(kind: &str, object: &Value) -> Vec<Check> {
    let (namespace, name) = (metadata(object, "namespace"), metadata(object, "name"));
    let about = |mut check: Check, reason: &str| {
        check.object = Some(format!("{kind} {namespace}/{name}"));
        check.reason = (!reason.is_empty()).then(|| reason.to_owned());
        check
    };
    let describe = format!("kubectl -n {namespace} describe {}.{} {name}", kind.to_lowercase(), ringway_crds::GROUP);
    if !is_current(object) {
        let text = "the operator has not looked at its newest form yet";
        return vec![about(Check::problem(text, "if it stays so, the operator does not run: see above"), "")];
    }
    let own = object.pointer("/status/conditions").cloned().unwrap_or_default();
    let ready = condition(&own, "Ready");
    if !ready.as_ref().is_some_and(Condition::is_true) {
        let cause = first_fault(object).or(ready).unwrap_or_else(|| Condition {
            status: "Unknown".to_owned(),
            reason: "Pending".to_owned(),
            message: "there is no condition Ready".to_owned(),
        });
        let remedy = remedy(&cause.reason, &describe);
        return vec![about(Check::problem(cause.message, remedy), &cause.reason)];
    }
    let mut checks = Vec::new();
    if let Some(reach) = condition(&own, "Reachable").filter(|one| one.status == "False") {
        let text = format!("the server is not reached: {}", reach.message);
        let remedy = remedy(&reach.reason, &describe);
        checks.push(about(Check::warning(text, remedy), &reach.reason));
    }
    for trouble in TROUBLE.iter().filter_map(|kind| condition(&own, kind)).filter(Condition::is_true) {
        let remedy = remedy(&trouble.reason, &describe);
        checks.push(about(Check::warning(trouble.message, remedy), &trouble.reason));
    }
    checks
}

fn gateway(object: &Value) -> Vec<Check> {
    let (namespace, name) = (metadata(object, "namespace"), metadata(object, "name"));
    let about = |what: &str, cause: Condition| {
        let remedy = remedy(&cause.reason, &format!("kubectl -n {namespace} describe gateway {name}"));
        let mut check = Check::problem(cause.message, remedy);
        check.object = Some(format!("Gateway {namespace}/{name}{what}"));
        check.reason = Some(cause.reason);
        check
    };
    let own = object.pointer("/status/conditions").cloned().unwrap_or_default();
    let listeners = object.pointer("/status/listeners").and_then(Value::as_array).cloned().unwrap_or_default();
    let of_listeners: Vec<Check> = listeners
        .iter()
        .filter_map(|listener| {
            let cause = fault(&listener["conditions"])?;
            Some(about(&format!(" listener {}", listener["name"].as_str().unwrap_or_default()), cause))
        })
        .collect();
    if !of_listeners.is_empty() {
        return of_listeners;
    }
    // Gateway API's own defaults say Unknown until a controller has looked.
    let programmed = condition(&own, "Programmed");
    if programmed.as_ref().is_some_and(Condition::is_true) {
        return vec![];
    }
    let cause = fault(&own).or(programmed).unwrap_or_else(|| Condition {
        status: "Unknown".to_owned(),
        reason: "Pending".to_owned(),
        message: "the operator has not looked at it yet".to_owned(),
    });
    vec![about("", cause)]
}

/// Has the operator seen this generation?
fn is_current(object: &Value) -> bool {
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
    let observed = object.pointer("/status/observedGeneration").and_then(Value::as_i64).unwrap_or(-1);
    observed >= generation
}

/// Of the object itself, of its parents (routes), of its ancestors (policies).
fn first_fault(object: &Value) -> Option<Condition> {
    let parents = ["/status/parents", "/status/ancestors"];
    let of_parents = parents.iter().filter_map(|path| object.pointer(path)?.as_array()).flatten();
    let of_parents = of_parents.filter_map(|parent| parent.get("conditions"));
    of_parents.chain(object.pointer("/status/conditions")).find_map(fault)
}

fn fault(conditions: &Value) -> Option<Condition> {
    STEPS.iter().filter_map(|kind| condition(conditions, kind)).find(|one| one.status == "False")
}

/// The condition of a kind in a list of them.
pub(super) fn condition(conditions: &Value, kind: &str) -> Option<Condition> {
    let found = conditions.as_array()?.iter().find(|one| one["type"] == kind)?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Some(Condition { status: text("status"), reason: text("reason"), message: text("message") })
}

fn metadata<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"][key].as_str().unwrap_or_default()
}

/// What to do, where a reason alone says it; else the message and `otherwise` must.
fn remedy(reason: &str, otherwise: &str) -> String {
    let known = match reason {
        "Invalid" => "mend the field that the message names; `ringway validate` says it before the apply",
        "UnsupportedValue" | "UnsupportedProtocol" => {
            "this version does not do that: change the field, or remove the object until it does"
        }
        "UnsupportedAddress" => "remove spec.addresses: the address is that of the install's Service",
        "InvalidParameters" => "remove parametersRef: Ringway takes no parameters",
        "RefNotPermitted" => "create the ReferenceGrant or RoleBinding that the message names",
        "RefNotFound" | "BackendNotFound" | "TargetNotFound" | "GatewayNotFound" | "InvalidRef" => {
            "create what is named, or mend the reference"
        }
        "RefNotAccepted" => "mend what is named; it stands in this list, too",
        "InvalidCertificateRef" | "InvalidCACertificateRef" | "InvalidCACertificateKind" => {
            "mend the Secret or ConfigMap that the message names"
        }
        "Conflicted" | "RouteConflict" => "change path or hostname of one of the routes; the older one is served",
        "NameConflict" => "give one backend of the route a prefix, or rename the tool",
        "HostnameConflict" | "ProtocolConflict" => "change port, hostname or protocol of one of the listeners",
        "InvalidRouteKinds" => "allow the kind MCPRoute of group ringway.dev in allowedRoutes, or no kinds at all",
        "ListenersNotValid" => "mend the listeners that the message names",
        "NotAllowedByListeners" => "mend allowedRoutes of the listener, routeNamespaces of the chart, or parentRefs",
        "NoMatchingParent" | "NoMatchingListenerHostname" => "mend parentRefs, sectionName, port or hostnames",
        "PortUnavailable" => "add the port to the chart's dataplane.service.ports, or use one that is there",
        "Pending" => "wait; if it stays so, the operator does not run, or pods do not hear it: see above",
        "NoDataPlane" => "see the data plane above",
        "Rejected" => "a pod cannot use it: mend what the message names",
        "Unauthorized" | "Forbidden" => "mend the backend's credentials",
        "AddressNotAllowed" => "add the host to allowedHosts of the chart, if it is meant",
        "NotFound" | "Redirected" | "ProtocolError" => "is this the server's MCP address? Mend url, path or transport",
        "TLS" | "UnknownIssuer" => "mend spec.tls: caCertificateRefs, hostname",
        "ConnectionRefused" | "ConnectionFailed" | "ConnectionClosed" | "Unreachable" | "Timeout" | "DNS"
        | "NoEndpoints" => "look at the server's pods, and at NetworkPolicies between",
        "ServerError" | "Busy" | "TooManyRequests" | "Refused" | "ProcessFailed" => "look at the server's log",
        _ => otherwise,
    };
    known.to_owned()
}

// === impl Condition ===

impl Condition {
    pub(super) fn is_true(&self) -> bool {
        self.status == "True"
    }
}
