//! `ringway config dump`: what data-plane pods serve, as they say it themselves; secrets are stars.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::{Map, Value};

use crate::cluster::forward::Tunnel;
use crate::cluster::install::{self, Install};
use crate::cluster::{Access, Cluster, ClusterError, pod_http};
use crate::exit::{CommandError, Exit};
use crate::output::{self, BAD, GOOD};
use crate::pod_config::{self, Comparison};

/// Where a pod shows what it serves, when its arguments do not say.
const DEBUG_PORT: u16 = 9901;
const PATH: &str = "/config";

/// What to do with the configuration.
#[derive(Debug, clap::Subcommand)]
pub enum Config {
    /// Print what the data plane serves; secrets are stars
    ///
    /// Without a pod all ready ones are asked. One configuration is printed when they serve the same, else one for each
    /// pod by name, and the command fails.
    Dump(Dump),
}

/// Which pods.
#[derive(Debug, clap::Args)]
pub struct Dump {
    /// A data-plane pod [default: all that are ready]
    pod: Option<String>,
    /// Namespace of the Ringway install [default: found by its labels]
    #[arg(short, long, value_name = "NAMESPACE", help_heading = "Cluster")]
    namespace: Option<String>,
    /// Which cluster.
    #[command(flatten)]
    access: Access,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = DumpFormat::Json)]
    output: DumpFormat,
}

/// How a configuration is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DumpFormat {
    Json,
    Yaml,
    /// A line for each pod.
    Table,
}

/// Prints it.
///
/// # Errors
/// When the cluster or a pod does not answer.
pub async fn dump(options: &Dump) -> Result<Exit, CommandError> {
    let cluster = options.access.cluster().await?;
    let install = install::one(&cluster, options.namespace.as_deref(), "--namespace").await?;
    let pods = install::data_plane_pods(&cluster, &install).await?;
    let chosen = choose(&install, pods, options.pod.as_deref())?;
    let mut configs = Vec::new();
    for pod in &chosen {
        configs.push((pod.name_any(), served(&debug_port(&cluster, &install, pod)).await?));
    }
    let by_name: Vec<(&str, &Value)> = configs.iter().map(|(name, config)| (name.as_str(), config)).collect();
    let comparison = pod_config::compare(&by_name);
    show(options.output, &by_name, &comparison)?;
    Ok(say(&comparison))
}

fn show(format: DumpFormat, configs: &[(&str, &Value)], comparison: &Comparison) -> Result<(), CommandError> {
    if format == DumpFormat::Table {
        let rows = configs.iter().map(|(pod, config)| {
            let counts = pod_config::Counts::of(config).to_string();
            let odd = match comparison {
                Comparison::Differ(all) => all.iter().find(|odd| odd.pod == *pod),
                _ => None,
            };
            let differs = odd.map_or_else(String::new, |odd| format!("{} (against {})", odd.summary(), odd.reference));
            vec![(*pod).to_owned(), counts, differs]
        });
        return Ok(output::table(&["POD", "SERVES", "DIFFERS"], rows)?);
    }
    let value = match (configs, comparison) {
        ([(_, config), ..], Comparison::Alike { .. }) => (*config).clone(),
        _ => Value::Object(
            configs.iter().map(|(pod, config)| ((*pod).to_owned(), (*config).clone())).collect::<Map<_, _>>(),
        ),
    };
    match format {
        DumpFormat::Yaml => output::yaml(&value)?,
        _ => output::line(&serde_json::to_string_pretty(&value).map_err(std::io::Error::other)?)?,
    }
    Ok(())
}

fn say(comparison: &Comparison) -> Exit {
    match comparison {
        Comparison::Nothing => Exit::Failed,
        Comparison::Alike { pods, counts } => {
            output::note(&format!("{GOOD}{counts}{GOOD:#} in {pods}"));
            Exit::Done
        }
        Comparison::Differ(odd) => {
            for one in odd {
                let (pod, reference, summary) = (&one.pod, &one.reference, one.summary());
                output::note(&format!(
                    "{BAD}pod {pod} differs{BAD:#} from {reference}: {}",
                    output::printable(&summary)
                ));
            }
            Exit::Failed
        }
    }
}

fn choose(install: &Install, mut pods: Vec<Pod>, wanted: Option<&str>) -> Result<Vec<Pod>, ClusterError> {
    if let Some(wanted) = wanted {
        let names: Vec<String> = pods.iter().map(ResourceExt::name_any).collect();
        pods.retain(|pod| pod.name_any() == wanted);
        if pods.is_empty() {
            let names = names.join(", ");
            return Err(ClusterError::Unfit(format!("{wanted} is no data-plane pod of {install}; there are: {names}")));
        }
        return Ok(pods);
    }
    let count = pods.len();
    pods.retain(install::is_ready);
    if pods.is_empty() {
        return Err(install::none_ready(install, count));
    }
    Ok(pods)
}

/// Where a pod shows what it serves.
#[must_use]
pub fn debug_port(cluster: &Cluster, install: &Install, pod: &Pod) -> Tunnel {
    let port = debug_argument(pod).unwrap_or(DEBUG_PORT);
    Tunnel::new(cluster.clone(), &install.namespace, &pod.name_any(), port)
}

fn debug_argument(pod: &Pod) -> Option<u16> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut arguments = containers.filter_map(|container| container.args.as_ref()).flatten();
    arguments.find_map(|argument| argument.strip_prefix("--debug=")?.rsplit(':').next()?.parse().ok())
}

/// What a pod serves.
///
/// # Errors
/// [`ClusterError`].
pub async fn served(tunnel: &Tunnel) -> Result<Value, ClusterError> {
    let body = pod_http::get(tunnel, PATH).await?;
    serde_json::from_slice(&body).map_err(|error| ClusterError::Unfit(format!("{tunnel}: {PATH} is no JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn pod(name: &str, ready: &str, arguments: &Value) -> Pod {
        from_value(json!({
            "metadata": { "name": name },
            "spec": { "containers": [{ "name": "dataplane", "args": arguments }] },
            "status": { "conditions": [{ "type": "Ready", "status": ready }] },
        }))
        .unwrap()
    }

    #[test]
    fn the_debug_port_is_what_the_pod_was_told() {
        assert_eq!(debug_argument(&pod("a", "True", &json!(["--x", "--debug=127.0.0.1:9000"]))), Some(9000));
        assert_eq!(debug_argument(&pod("a", "True", &json!(["--debug=[::1]:9"]))), Some(9));
        assert_eq!(debug_argument(&pod("a", "True", &json!(["--debugging=1"]))), None);
    }

    #[test]
    fn ready_pods_are_asked_or_the_named_one() {
        let install = Install { namespace: "gw".into(), name: "edge".into(), instance: "edge".into() };
        let pods = || vec![pod("a", "False", &json!([])), pod("b", "True", &json!([]))];
        let names = |wanted: Option<&str>| {
            let chosen = choose(&install, pods(), wanted).map_err(|error| error.to_string())?;
            Ok::<_, String>(chosen.iter().map(ResourceExt::name_any).collect::<Vec<_>>())
        };
        assert_eq!(names(None), Ok(vec!["b".to_owned()]));
        assert_eq!(names(Some("a")), Ok(vec!["a".to_owned()]));
        assert!(names(Some("c")).unwrap_err().contains("there are: a, b"));
        assert!(choose(&install, vec![], None).unwrap_err().to_string().contains("none of 0"));
    }
}
