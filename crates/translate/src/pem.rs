//! Certificates and keys behind references: there, readable, and PEM, so that the data plane need not doubt.
//!
//! Used by the rules of backends and Gateways.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringway_crds::{GroupKind, ObjectRef};
use ringway_snapshot::{ObjectName, Secret};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::{PemObject, SectionKind};

use crate::path::FieldPath;
use crate::problem::Reason;
use crate::refs::Refs;
use crate::scope::Scope;

/// Of the authorities of one backend or listener, all of its references together: a public bundle of roots fits. Each
/// that names a bundle has a copy of it in every pod.
pub(crate) const MAX_AUTHORITIES_BYTES: usize = 256 << 10;
/// Of one certificate with its chain, and of one private key.
const MAX_PAIR_BYTES: usize = 64 << 10;

/// What one backend or listener may still bring of authorities.
#[derive(Debug)]
pub(crate) struct Room(usize);

/// The authorities under `ca.crt` of one of `kinds`.
pub(crate) fn authorities(
    scope: &mut Scope<'_>,
    refs: Refs<'_>,
    field: &FieldPath,
    reference: &ObjectRef,
    kinds: &[GroupKind],
    room: &mut Room,
) -> Option<String> {
    let (kind, name) = refs.object(scope, field, reference, kinds)?;
    authorities_of(scope, refs, field, (kind, &name), room)
}

/// The same of a permitted object.
pub(crate) fn authorities_of(
    scope: &mut Scope<'_>,
    refs: Refs<'_>,
    field: &FieldPath,
    (kind, name): (GroupKind, &ObjectName),
    room: &mut Room,
) -> Option<String> {
    let pem = if kind == GroupKind::Secret {
        refs.secret_key(scope, field, name, "ca.crt")?.expose()
    } else {
        let map = refs.there(scope, field, (kind, name), refs.world.config_map(name))?;
        let Some(pem) = map.data.get("ca.crt") else {
            scope.error(field, Reason::RefNotFound, format_args!("ConfigMap {name} has no key ca.crt"));
            return None;
        };
        pem.as_bytes()
    };
    let pem = certificates(scope, field, "ca.crt", pem, room.0)?;
    room.0 -= pem.len();
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
    let chain = certificates(scope, field, "tls.crt", certificate.expose(), MAX_PAIR_BYTES);
    let is_key = PrivateKeyDer::from_pem_slice(key.expose()).is_ok();
    if !is_key {
        scope.error(field, Reason::InvalidRef, "tls.key holds no PEM private key");
    }
    let is_short = key.expose().len() <= MAX_PAIR_BYTES;
    if !is_short {
        scope.error(field, Reason::InvalidRef, format_args!("tls.key has more than {MAX_PAIR_BYTES} bytes"));
    }
    chain.filter(|_| is_key && is_short).map(|chain| (chain, key.clone()))
}

/// The certificates of a text, without all else: a private key beside them must not go where certificates go.
fn certificates(scope: &mut Scope<'_>, field: &FieldPath, key: &str, pem: &[u8], most: usize) -> Option<String> {
    let mut out = String::new();
    let (mut is_broken, mut has_others) = (false, false);
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
        match section {
            Ok((SectionKind::Certificate, der)) => write(&mut out, &der),
            Ok(_) => has_others = true,
            Err(_) => is_broken = true,
        }
        if is_broken || out.len() > most {
            break;
        }
    }
    if is_broken || out.is_empty() {
        let message = format_args!("{key} holds no PEM certificate, or a broken one");
        scope.error(field, Reason::InvalidRef, message);
        return None;
    }
    if out.len() > most {
        let whole = if key == "ca.crt" { MAX_AUTHORITIES_BYTES } else { MAX_PAIR_BYTES };
        let message = format_args!("{key} makes more than {whole} bytes of certificates; name those that are needed");
        scope.error(field, Reason::InvalidRef, message);
        return None;
    }
    if has_others {
        let message = format_args!("{key} holds more than certificates; a private key belongs under tls.key alone");
        scope.warning(field, Reason::Ignored, message);
    }
    Some(out)
}

/// One certificate as PEM: 48 bytes are a line of 64 characters.
fn write(out: &mut String, der: &[u8]) {
    out.push_str("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(48) {
        STANDARD.encode_string(line, out);
        out.push('\n');
    }
    out.push_str("-----END CERTIFICATE-----\n");
}

// === impl Room ===

impl Default for Room {
    fn default() -> Self {
        Self(MAX_AUTHORITIES_BYTES)
    }
}
