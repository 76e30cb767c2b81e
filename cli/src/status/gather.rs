//! Asks the API server for the facts. Decides nothing; what is refused or missing is a fact, too.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, ResourceExt};
use ringway_crds::{GATEWAY_API_GROUP, GROUP, VERSION};
use ringway_translate::install::CONTROLLER_NAME;
use serde_json::Value;
use tokio::task::JoinSet;

use super::facts::{Facts, Gateways, InstallFacts, KubernetesVersion, Looked, Named, OURS, Objects, Scope, Secrets};
use crate::cluster::install::{self, Found, Install};
use crate::cluster::{Cluster, ClusterError};
use crate::config;
use crate::pod_config::{self, Comparison};

/// Objects per answer, as kubectl asks.
const PAGE: u32 = 500;
/// Pods whose configurations are compared: each costs a connection and its configuration's size.
const COMPARED: usize = 16;
/// A change reaches all pods within a second; one that is under way is no difference.
const SETTLE: Duration = Duration::from_secs(2);

/// One look. `namespace`: where the install is, when it is told.
pub async fn facts(cluster: &Cluster, namespace: Option<&str>, scope: Scope) -> Facts {
    let kubernetes = version(cluster).await;
    let (found, install) = match &kubernetes {
        // Nothing else would be answered, and each question would wait.
        Err(error) => (Err(error.clone()), None),
        Ok(_) => match install::find(cluster, namespace).await {
            Ok(Found::One { install, operator }) => {
                let facts = Box::pin(install_facts(cluster, install.clone(), (*operator).clone(), scope)).await;
                (Ok(Found::One { install, operator }), Some(facts))
            }
            other => (other, None),
        },
    };
    let (mut definitions, mut objects) = (BTreeMap::new(), BTreeMap::new());
    let mut gateways = Ok(Gateways::NoApi);
    if kubernetes.is_ok() {
        for (kind, plural) in OURS.map(|kind| (kind.kind(), kind.plural())) {
            definitions.insert(kind, definition(cluster, plural).await);
            if scope == Scope::Whole {
                objects.insert(kind, objects_of(cluster, kind, plural).await);
            }
        }
        if scope == Scope::Whole {
            gateways = our_gateways(cluster).await;
        }
    }
    let now = Timestamp::now();
    let version = env!("CARGO_PKG_VERSION");
    Facts {
        scope,
        now,
        version,
        server: cluster.server.clone(),
        kubernetes,
        definitions,
        found,
        install,
        objects,
        gateways,
    }
}

async fn version(cluster: &Cluster) -> Looked<KubernetesVersion> {
    let info = cluster.ask(cluster.client.apiserver_version()).await?;
    KubernetesVersion::new(&info.major, &info.minor, &info.git_version)
        .ok_or_else(|| ClusterError::Unfit(format!("{} does not say its version", cluster.server)))
}

async fn definition(cluster: &Cluster, plural: &str) -> Looked<Option<Value>> {
    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let kind = ApiResource::from_gvk_with_plural(&kind, "customresourcedefinitions");
    let definitions = Api::<DynamicObject>::all_with(cluster.client.clone(), &kind);
    let found = cluster.find(definitions.get(&format!("{plural}.{GROUP}"))).await?;
    found.map(|definition| value(&definition)).transpose()
}

/// Of all namespaces; where that is forbidden, of the context's own.
async fn objects_of(cluster: &Cluster, kind: &str, plural: &str) -> Looked<Option<Objects>> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, kind), plural);
    let error = match list(cluster, Api::all_with(cluster.client.clone(), &resource)).await {
        Ok(found) => return Ok(found.map(|items| Objects { items, namespace: None })),
        Err(error) if error.is_forbidden() => error,
        Err(error) => return Err(error),
    };
    let own = Api::namespaced_with(cluster.client.clone(), &cluster.namespace, &resource);
    match list(cluster, own).await {
        Ok(found) => Ok(found.map(|items| Objects { items, namespace: Some(cluster.namespace.clone()) })),
        // What was asked for first says more.
        Err(_) => Err(error),
    }
}

/// All objects; `None`: the API server knows no such kind.
async fn list(cluster: &Cluster, api: Api<DynamicObject>) -> Looked<Option<Vec<Value>>> {
    let mut parameters = ListParams::default().limit(PAGE);
    let mut all = Vec::new();
    loop {
        let Some(page) = cluster.find(api.list(&parameters)).await? else { return Ok(None) };
        for object in &page.items {
            all.push(value(object)?);
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(Some(all)),
        }
    }
}

fn value(object: &DynamicObject) -> Looked<Value> {
    serde_json::to_value(object).map_err(|error| ClusterError::Unfit(error.to_string()))
}

async fn our_gateways(cluster: &Cluster) -> Looked<Gateways> {
    let api = |kind: &str, plural: &str| {
        let kind = GroupVersionKind::gvk(GATEWAY_API_GROUP, "v1", kind);
        Api::all_with(cluster.client.clone(), &ApiResource::from_gvk_with_plural(&kind, plural))
    };
    let classes = list(cluster, api("GatewayClass", "gatewayclasses")).await?;
    let Some(classes) = classes else { return Ok(Gateways::NoApi) };
    let ours: Vec<&str> = classes
        .iter()
        .filter(|class| class["spec"]["controllerName"] == CONTROLLER_NAME)
        .filter_map(|class| class["metadata"]["name"].as_str())
        .collect();
    let gateways = list(cluster, api("Gateway", "gateways")).await?.unwrap_or_default();
    let is_ours =
        |gateway: &Value| gateway["spec"]["gatewayClassName"].as_str().is_some_and(|class| ours.contains(&class));
    Ok(Gateways::Ours(gateways.into_iter().filter(is_ours).collect()))
}

async fn install_facts(cluster: &Cluster, install: Install, operator: Deployment, scope: Scope) -> InstallFacts {
    let (namespace, name) = (install.namespace.as_str(), install.name.as_str());
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), namespace);
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), namespace);
    let operator_pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let operators = ListParams::default().labels(&install.selector("operator"));
    let (operator_name, data_plane_name) = (format!("{name}-operator"), format!("{name}-dataplane"));
    let (operator_pods, lease, data_plane, pods, services) = tokio::join!(
        cluster.ask(operator_pods.list(&operators)),
        cluster.find(leases.get(&operator_name)),
        cluster.find(deployments.get(&data_plane_name)),
        install::data_plane_pods(cluster, &install),
        install::data_plane_services(cluster, &install),
    );
    let (mut secrets, mut configs) = (None, BTreeMap::new());
    if scope == Scope::Whole {
        secrets = Some(secrets_of(cluster, &install, data_plane.as_ref().ok().and_then(Option::as_ref)).await);
        configs = settled_configs(cluster, &install, pods.as_deref().unwrap_or_default()).await;
    }
    InstallFacts {
        operator_pods: operator_pods.map(|list| list.items),
        install,
        operator,
        lease,
        data_plane,
        pods,
        services,
        secrets,
        configs,
    }
}

async fn secrets_of(cluster: &Cluster, install: &Install, data_plane: Option<&Deployment>) -> Secrets {
    let api: Api<Secret> = Api::namespaced(cluster.client.clone(), &install.namespace);
    let names = [
        format!("{}-ca", install.name),
        mounted(data_plane, "tls").unwrap_or_else(|| format!("{}-dataplane-tls", install.name)),
        mounted(data_plane, "keys").unwrap_or_else(|| format!("{}-session-keys", install.name)),
    ];
    let [authority, certificate, keys] = names;
    let (found_authority, found_certificate, found_keys) = tokio::join!(
        cluster.find(api.get(&authority)),
        cluster.find(api.get(&certificate)),
        cluster.find(api.get(&keys)),
    );
    Secrets {
        authority: Named { name: authority, looked: found_authority },
        data_plane: Named { name: certificate, looked: found_certificate },
        keys: Named { name: keys, looked: found_keys },
        keys_key: keys_key(data_plane).unwrap_or_else(|| "keys".to_owned()),
    }
}

/// The Secret behind a volume.
fn mounted(deployment: Option<&Deployment>, volume: &str) -> Option<String> {
    let pod = deployment?.spec.as_ref()?.template.spec.as_ref()?;
    let volume = pod.volumes.as_ref()?.iter().find(|one| one.name == volume)?;
    volume.secret.as_ref()?.secret_name.clone()
}

/// The last part of the file that `--keys` names is the key in the Secret.
fn keys_key(deployment: Option<&Deployment>) -> Option<String> {
    let pod = deployment?.spec.as_ref()?.template.spec.as_ref()?;
    let arguments = pod.containers.iter().filter_map(|container| container.args.as_ref()).flatten();
    let file = arguments.filter_map(|argument| argument.strip_prefix("--keys=")).next()?;
    file.rsplit('/').next().map(str::to_owned)
}

/// Once more when pods differ: a change may have been under way.
async fn settled_configs(cluster: &Cluster, install: &Install, pods: &[Pod]) -> BTreeMap<String, Looked<Value>> {
    let first = configs(cluster, install, pods).await;
    let readable: Vec<(&str, &Value)> =
        first.iter().filter_map(|(pod, looked)| Some((pod.as_str(), looked.as_ref().ok()?))).collect();
    if !matches!(pod_config::compare(&readable), Comparison::Differ(_)) {
        return first;
    }
    tokio::time::sleep(SETTLE).await;
    configs(cluster, install, pods).await
}

async fn configs(cluster: &Cluster, install: &Install, pods: &[Pod]) -> BTreeMap<String, Looked<Value>> {
    let mut asked = JoinSet::new();
    for pod in pods.iter().filter(|pod| install::is_ready(pod)).take(COMPARED) {
        let tunnel = config::debug_port(cluster, install, pod);
        let name = pod.name_any();
        asked.spawn(async move { (name, config::served(&tunnel).await) });
    }
    let mut all = BTreeMap::new();
    while let Some(joined) = asked.join_next().await {
        match joined {
            Ok((pod, looked)) => drop(all.insert(pod, looked)),
            Err(error) => tracing::error!(%error, "a question to a pod ended early"),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn secrets_are_those_that_the_pods_mount() {
        let deployment: Deployment = from_value(json!({ "spec": { "selector": {}, "template": { "spec": {
            "containers": [{ "name": "c", "args": ["--x", "--keys=/etc/ringway/keys/mine"] }],
            "volumes": [
                { "name": "tls", "secret": { "secretName": "other-tls" } },
                { "name": "keys", "secret": { "secretName": "vault" } },
                { "name": "state", "emptyDir": {} },
            ],
        } } } }))
        .unwrap();
        assert_eq!(mounted(Some(&deployment), "keys").as_deref(), Some("vault"));
        assert_eq!(mounted(Some(&deployment), "tls").as_deref(), Some("other-tls"));
        assert_eq!((mounted(Some(&deployment), "state"), mounted(None, "tls")), (None, None));
        assert_eq!(keys_key(Some(&deployment)).as_deref(), Some("mine"));
    }
}
