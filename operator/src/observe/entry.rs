//! One observed object: what translation reads of it, and what the rest of the operator asks about it.
//!
//! Pure: made from what the API server sent. Held by `store`.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::core::DynamicObject;
use ringway_snapshot::ObjectName;
use ringway_translate::Object;
use serde_json::{Value, json};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::kind::{Kind, Watched as _};
use super::references::{Reference, references};

/// The label of an EndpointSlice that names its Service.
const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

#[derive(Debug)]
pub struct Entry {
    /// `None`: translation cannot even tell its name.
    pub object: Option<Arc<Object>>,
    pub api_version: String,
    pub uid: String,
    /// 0: the kind has none.
    pub generation: i64,
    /// Of the last event, whatever it changed.
    pub resource_version: u64,
    /// What the object adds to the fingerprint of its kind.
    pub mark: u64,
    /// What it names among the kinds that are watched narrowly.
    pub references: BTreeSet<Reference>,
    /// Null when the status is not ours to write.
    pub status: Value,
    pub detail: Detail,
}

/// What status wants to know and translation does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    None,
    /// Of a backend or bridge: the Service behind it.
    Backend {
        service: Option<ObjectName>,
    },
    /// The Service, and for each endpoint a key that is the same in every slice, and whether it is ready.
    Endpoints {
        service: Option<ObjectName>,
        endpoints: Vec<(u64, bool)>,
    },
    /// When it was made, in seconds.
    Namespace {
        created: i64,
    },
    /// Where clients reach a Service: `{type, value}` as a Gateway's status has them.
    Service {
        addresses: Vec<Value>,
    },
}

// === impl Entry ===

impl Entry {
    /// `old` lends its translated form when nothing that counts differs.
    #[must_use]
    pub fn new(kind: Kind, object: DynamicObject, old: Option<&Self>) -> Self {
        let DynamicObject { metadata, mut data, types } = object;
        let resource_version = revision(metadata.resource_version.as_deref());
        let mark = mark(&metadata);
        let uid = metadata.uid.clone().unwrap_or_default();
        let generation = metadata.generation.unwrap_or(0);
        let api_version = types.map(|types| types.api_version).unwrap_or_default();
        let status = data.as_object_mut().and_then(|fields| fields.remove("status")).unwrap_or_default();
        let detail_status = if kind == Kind::Service { status.clone() } else { Value::Null };
        let status = if kind.has_status() { status } else { Value::Null };
        if let Some(old) = old.filter(|old| old.mark == mark && old.api_version == api_version) {
            let (object, references, detail) = (old.object.clone(), old.references.clone(), old.detail.clone());
            return Self { object, api_version, uid, generation, resource_version, mark, references, status, detail };
        }
        let namespace = metadata.namespace.clone().unwrap_or_default();
        let references = references(kind, &namespace, &data);
        let detail = detail(kind, &namespace, &metadata, &data, &detail_status);
        let object = translated(kind, &api_version, &metadata, data);
        Self { object, api_version, uid, generation, resource_version, mark, references, status, detail }
    }
}

/// A resourceVersion as a number; 0: there is none, or it is no number.
pub(super) fn revision(version: Option<&str>) -> u64 {
    version.and_then(|text| text.parse().ok()).unwrap_or(0)
}

type ObjectMeta = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Equal on every replica for an object of one content, whatever its status says.
pub(super) fn mark(meta: &ObjectMeta) -> u64 {
    let mut hash = Xxh3::new();
    let mut field = |text: &str| {
        hash.update(text.as_bytes());
        hash.update(&[0]);
    };
    field(meta.uid.as_deref().unwrap_or_default());
    match meta.generation {
        Some(generation) if generation > 0 => field(&generation.to_string()),
        _ => field(meta.resource_version.as_deref().unwrap_or_default()),
    }
    for (key, value) in meta.labels.iter().flatten() {
        field(key);
        field(value);
    }
    hash.digest()
}

fn translated(kind: Kind, api_version: &str, meta: &ObjectMeta, data: Value) -> Option<Arc<Object>> {
    let Value::Object(mut fields) = data else { return None };
    fields.insert("apiVersion".to_owned(), api_version.into());
    fields.insert("kind".to_owned(), kind.kind().into());
    let meta = json!({
        "name": meta.name, "namespace": meta.namespace, "labels": meta.labels, "annotations": meta.annotations,
        "creationTimestamp": meta.creation_timestamp,
    });
    fields.insert("metadata".to_owned(), meta);
    let (object, problems) = Object::from_json(&Value::Object(fields));
    if object.is_none() {
        for problem in problems.iter().filter(|problem| problem.is_error()) {
            tracing::warn!(%kind, %problem, "an object of the API server cannot be read");
        }
    }
    object.map(Arc::new)
}

fn detail(kind: Kind, namespace: &str, meta: &ObjectMeta, data: &Value, status: &Value) -> Detail {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match kind {
        Kind::MCPBackend | Kind::RESTBridge => {
            let service = data.pointer("/spec/service").and_then(|service| {
                let namespace = service.get("namespace").and_then(text).unwrap_or_else(|| namespace.to_owned());
                Some(ObjectName::new(namespace, text(service.get("name")?)?))
            });
            Detail::Backend { service }
        }
        Kind::EndpointSlice => {
            let service = meta.labels.iter().flatten().find(|(key, _)| *key == SERVICE_NAME_LABEL);
            let service = service.map(|(_, service)| ObjectName::new(namespace, service.as_str()));
            let endpoints = data.get("endpoints").and_then(Value::as_array).into_iter().flatten();
            Detail::Endpoints { service, endpoints: endpoints.map(endpoint).collect() }
        }
        Kind::Namespace => {
            Detail::Namespace { created: meta.creation_timestamp.as_ref().map_or(i64::MAX, |time| time.0.as_second()) }
        }
        Kind::Service => Detail::Service { addresses: addresses(data, status) },
        _ => Detail::None,
    }
}

/// A dual-stack pod stands in a slice of each family, once by each address: its uid makes it one.
fn endpoint(endpoint: &Value) -> (u64, bool) {
    let key = endpoint.pointer("/targetRef/uid").or_else(|| endpoint.pointer("/addresses/0"));
    let key = xxh3_64(key.and_then(Value::as_str).unwrap_or_default().as_bytes());
    let is_ready = endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true);
    (key, is_ready)
}

/// Those of a load balancer; of a Service that has none, its cluster addresses.
fn addresses(data: &Value, status: &Value) -> Vec<Value> {
    let ingress = status.pointer("/loadBalancer/ingress").and_then(Value::as_array).into_iter().flatten();
    let balanced: Vec<_> = ingress
        .filter_map(|ingress| match (ingress.get("ip"), ingress.get("hostname")) {
            (Some(ip), _) => Some(json!({ "type": "IPAddress", "value": ip })),
            (None, Some(hostname)) => Some(json!({ "type": "Hostname", "value": hostname })),
            (None, None) => None,
        })
        .collect();
    if !balanced.is_empty() || data.pointer("/spec/type").and_then(Value::as_str) == Some("LoadBalancer") {
        return balanced;
    }
    let ips = data.pointer("/spec/clusterIPs").and_then(Value::as_array).into_iter().flatten();
    ips.filter(|ip| ip.as_str().is_some_and(|ip| ip != "None"))
        .map(|ip| json!({ "type": "IPAddress", "value": ip }))
        .collect()
}
