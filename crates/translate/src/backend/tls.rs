//! TLS towards a backend: its authorities, the gateway's certificate, the name.

use ringway_crds::backend::Tls;
use ringway_crds::{GroupKind, ObjectRef};
use ringway_snapshot::{BackendTls, Secret};

use crate::path::FieldPath;
use crate::pem;
use crate::problem::Reason;
use crate::refs::Refs;
use crate::scope::Scope;
use crate::text;

const MAX_CA_REFS: usize = 8;

/// `None` without `tls`; what could not be read is left out, with a problem.
pub(super) fn tls(scope: &mut Scope<'_>, refs: Refs<'_>, spec: Option<&Tls>) -> Option<BackendTls> {
    let spec = spec?;
    let field = FieldPath::of("spec.tls");
    if spec.subject_alt_names.is_some() {
        scope.unsupported(&field.field("subjectAltNames"));
    }
    if let Some(hostname) = &spec.hostname
        && (!text::is_hostname_pattern(hostname) || hostname.starts_with('*'))
    {
        scope.error(
            &field.field("hostname"),
            Reason::InvalidValue,
            "must be a lower-case host name without a star; no IP address",
        );
    }
    Some(BackendTls {
        ca_pem: authorities(scope, refs, &field.field("caCertificateRefs"), spec.ca_certificate_refs.as_deref()),
        client_certificate: spec
            .client_certificate_ref
            .as_ref()
            .and_then(|reference| client_certificate(scope, refs, &field.field("clientCertificateRef"), reference)),
        hostname: spec.hostname.clone(),
    })
}

/// What it weighs in every pod.
pub(super) fn bytes(tls: &BackendTls) -> usize {
    let authorities: usize = tls.ca_pem.iter().map(String::len).sum();
    let pair = tls.client_certificate.as_ref().map_or(0, |(chain, key)| chain.len() + key.expose().len());
    authorities + pair
}

fn authorities(scope: &mut Scope<'_>, refs: Refs<'_>, field: &FieldPath, list: Option<&[ObjectRef]>) -> Vec<String> {
    let Some(list) = list else { return Vec::new() };
    if list.is_empty() {
        // Left out means the system's roots: an empty list must not mean the same.
        scope.error(field, Reason::InvalidValue, "must not be empty; leave it out for the system's roots");
    }
    scope.at_most(field, list.len(), MAX_CA_REFS);
    let mut room = pem::Room::default();
    list.iter()
        .enumerate()
        .filter_map(|(index, reference)| {
            let kinds = [GroupKind::ConfigMap, GroupKind::Secret];
            pem::authorities(scope, refs, &field.index(index), reference, &kinds, &mut room)
        })
        .collect()
}

fn client_certificate(
    scope: &mut Scope<'_>,
    refs: Refs<'_>,
    field: &FieldPath,
    reference: &ObjectRef,
) -> Option<(String, Secret)> {
    let (_, name) = refs.object(scope, field, reference, &[GroupKind::Secret])?;
    pem::pair(scope, refs, field, &name)
}
