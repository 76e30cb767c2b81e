//! Certificates and keys behind references: there, readable, and PEM, so that the data plane need not doubt.
//!
//! Used by the rules of backends and Gateways.

use ringway_crds::{GroupKind, ObjectRef};
use ringway_snapshot::{ObjectName, Secret};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::path::FieldPath;
use crate::problem::Reason;
use crate::refs::Refs;
use crate::scope::Scope;

/// The authorities under `ca.crt` of one of `kinds`.
pub(crate) fn authorities(
    scope: &mut Scope<'_>,
    refs: Refs<'_>,
    field: &FieldPath,
    reference: &ObjectRef,
    kinds: &[GroupKind],
) -> Option<String> {
    let (kind, name) = refs.object(scope, field, reference, kinds)?;
    authorities_of(scope, refs, field, kind, &name)
}

/// The same of a permitted object.
pub(crate) fn authorities_of(
    scope: &mut Scope<'_>,
    refs: Refs<'_>,
    field: &FieldPath,
    kind: GroupKind,
    name: &ObjectName,
) -> Option<String> {
    let pem = if kind == GroupKind::Secret {
        let value = refs.secret_key(scope, field, name, "ca.crt")?;
        String::from_utf8_lossy(value.expose()).into_owned()
    } else {
        let map = refs.there(scope, field, (kind, name), refs.world.config_map(name))?;
        let Some(pem) = map.data.get("ca.crt") else {
            scope.error(field, Reason::RefNotFound, format_args!("ConfigMap {name} has no key ca.crt"));
            return None;
        };
        pem.clone()
    };
    if !is_certificates(pem.as_bytes()) {
        scope.error(field, Reason::InvalidRef, "ca.crt holds no PEM certificate, or a broken one");
        return None;
    }
    Some(pem)
}

/// The chain and the key of a permitted Secret.
pub(crate) fn pair(
    scope: &mut Scope<'_>,
    refs: Refs<'_>,
    field: &FieldPath,
    name: &ObjectName,
) -> Option<(String, Secret)> {
    let certificate = refs.secret_key(scope, field, name, "tls.crt")?;
    let key = refs.secret_key(scope, field, name, "tls.key")?;
    let are_certificates = is_certificates(certificate.expose());
    if !are_certificates {
        scope.error(field, Reason::InvalidRef, "tls.crt holds no PEM certificate, or a broken one");
    }
    let is_key = PrivateKeyDer::from_pem_slice(key.expose()).is_ok();
    if !is_key {
        scope.error(field, Reason::InvalidRef, "tls.key holds no PEM private key");
    }
    (are_certificates && is_key).then(|| (String::from_utf8_lossy(certificate.expose()).into_owned(), key.clone()))
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
