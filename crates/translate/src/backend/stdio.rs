//! A backend by `stdio`: a command, its arguments and its environment.

use std::collections::BTreeMap;

use ringway_crds::MCPBackendSpec;
use ringway_crds::backend::{CredentialsType, EnvValue, StdioTarget as Spec, Transport};
use ringway_snapshot::{Secret, StdioTarget};

use crate::path::FieldPath;
use crate::problem::Reason;
use crate::refs::Refs;
use crate::scope::{Range, Scope};

const MAX_ARGS: usize = 256;
const MAX_ENV: usize = 128;
/// One argument or value; Linux allows 128 KiB.
const MAX_BYTES: usize = 32 * 1024;

pub(super) fn target(
    scope: &mut Scope<'_>,
    refs: Refs<'_>,
    spec: &MCPBackendSpec,
    stdio: &Spec,
) -> Option<StdioTarget> {
    let field = FieldPath::of("spec.stdio");
    if refs.install.cluster().is_some() {
        let message =
            "a stdio server runs beside `ringway run` only; in a cluster run it as a Deployment with a Service";
        scope.error(&field, Reason::UnsupportedValue, message);
    }
    refuse_http_fields(scope, spec);
    if stdio.command.is_empty() || !is_argument(&stdio.command) {
        let message = "must be a command of at most 32 KiB without NUL";
        scope.error(&field.field("command"), Reason::InvalidValue, message);
    }
    scope.at_most(&field.field("args"), stdio.args.len(), MAX_ARGS);
    for (index, _) in stdio.args.iter().enumerate().filter(|(_, arg)| !is_argument(arg)) {
        let message = "must be at most 32 KiB without NUL";
        scope.error(&field.field("args").index(index), Reason::InvalidValue, message);
    }
    // A child is a whole process: more than 1024 of them is a mistake on any laptop.
    let range = Range { least: 1, most: 1024, default: 32 };
    let max_processes = scope.number(&field.field("maxProcesses"), stdio.max_processes, &range);
    let env = env(scope, refs, &field.field("env"), &stdio.env);
    Some(StdioTarget { command: stdio.command.clone(), args: stdio.args.clone(), env, max_processes })
}

/// What belongs to HTTP would be ignored here, and nothing is ignored.
fn refuse_http_fields(scope: &mut Scope<'_>, spec: &MCPBackendSpec) {
    for (field, is_set) in [
        ("host", spec.host.is_some()),
        ("tls", spec.tls.is_some()),
        ("transport", spec.transport != Transport::Auto),
        ("forwardHeaders", !spec.forward_headers.is_empty()),
        ("credentials", spec.credentials.kind != CredentialsType::None),
    ] {
        if is_set {
            let message = "means nothing to a stdio server; credentials go into stdio.env";
            scope.error(&FieldPath::of("spec").field(field), Reason::InvalidValue, message);
        }
    }
}

fn env(
    scope: &mut Scope<'_>,
    refs: Refs<'_>,
    field: &FieldPath,
    env: &BTreeMap<String, EnvValue>,
) -> BTreeMap<String, Secret> {
    scope.at_most(field, env.len(), MAX_ENV);
    let mut values = BTreeMap::new();
    for (name, value) in env {
        let field = field.key(name);
        if name.is_empty() || name.len() > 256 || name.contains(['=', '\0']) {
            let message = "must be a name of 1 to 256 bytes without `=` and NUL";
            scope.error(&field, Reason::InvalidValue, message);
        }
        let value = match value {
            EnvValue::Text(text) => {
                if text.contains("${") {
                    let message =
                        "stays as it is: ${ENV} is replaced in Secrets only; write { secretRef: { name, key } }";
                    scope.warning(&field, Reason::Ignored, message);
                }
                Some(Secret::new(text.as_bytes()))
            }
            EnvValue::Secret(reference) => refs.secret(scope, &field.field("secretRef"), reference).cloned(),
        };
        let Some(value) = value else { continue };
        if value.expose().len() > MAX_BYTES || value.expose().contains(&0) {
            scope.error(&field, Reason::InvalidValue, "must be at most 32 KiB without NUL");
        }
        values.insert(name.clone(), value);
    }
    values
}

fn is_argument(text: &str) -> bool {
    text.len() <= MAX_BYTES && !text.contains('\0')
}
