//! TLS towards a backend: certificates by reference, checked to be PEM here so that the data plane need not doubt.

use ringway_crds::backend::Tls;
use ringway_crds::{GroupKind, ObjectRef};
use ringway_snapshot::{BackendTls, Secret};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::path::FieldPath;
use crate::problem::Reason;
use crate::refs::{Refs, found};
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

fn authorities(scope: &mut Scope<'_>, refs: Refs<'_>, field: &FieldPath, list: Option<&[ObjectRef]>) -> Vec<String> {
    let Some(list) = list else { return Vec::new() };
    if list.is_empty() {
        // Left out means the system's roots: an empty list must not mean the same.
        scope.error(field, Reason::InvalidValue, "must not be empty; leave it out for the system's roots");
    }
    scope.at_most(field, list.len(), MAX_CA_REFS);
    list.iter()
        .enumerate()
        .filter_map(|(index, reference)| {
            let field = field.index(index);
            let pem = authority(scope, refs, &field, reference)?;
            if !is_certificates(pem.as_bytes()) {
                scope.error(&field, Reason::InvalidValue, "ca.crt holds no PEM certificate, or a broken one");
            }
            Some(pem)
        })
        .collect()
}

fn authority(scope: &mut Scope<'_>, refs: Refs<'_>, field: &FieldPath, reference: &ObjectRef) -> Option<String> {
    let (kind, name) = refs.object(scope, field, reference, &[GroupKind::ConfigMap, GroupKind::Secret])?;
    if kind == GroupKind::Secret {
        let value = refs.secret_key(scope, field, &name, "ca.crt")?;
        return Some(String::from_utf8_lossy(value.expose()).into_owned());
    }
    let map = found(scope, field, kind, &name, refs.world.config_map(&name))?;
    let pem = map.data.get("ca.crt").cloned();
    if pem.is_none() {
        scope.error(field, Reason::RefNotFound, format_args!("ConfigMap {name} has no key ca.crt"));
    }
    pem
}

fn client_certificate(
    scope: &mut Scope<'_>,
    refs: Refs<'_>,
    field: &FieldPath,
    reference: &ObjectRef,
) -> Option<(String, Secret)> {
    let (_, name) = refs.object(scope, field, reference, &[GroupKind::Secret])?;
    let certificate = refs.secret_key(scope, field, &name, "tls.crt");
    let key = refs.secret_key(scope, field, &name, "tls.key");
    let (certificate, key) = (certificate?, key?);
    if !is_certificates(certificate.expose()) {
        scope.error(field, Reason::InvalidValue, "tls.crt holds no PEM certificate, or a broken one");
    }
    if PrivateKeyDer::from_pem_slice(key.expose()).is_err() {
        scope.error(field, Reason::InvalidValue, "tls.key holds no PEM private key");
    }
    Some((String::from_utf8_lossy(certificate.expose()).into_owned(), key.clone()))
}

fn is_certificates(pem: &[u8]) -> bool {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        if certificate.is_err() {
            return false;
        }
        count += 1;
    }
    count > 0
}
