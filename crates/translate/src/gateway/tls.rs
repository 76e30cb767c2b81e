//! What an HTTPS listener shows to clients and asks of them.

use ringway_crds::{GroupKind, kube};
use ringway_snapshot::{Certificate, ClientValidation, ObjectName};

use crate::path::FieldPath;
use crate::pem;
use crate::problem::Reason;
use crate::refs::Refs;
use crate::scope::Scope;

/// The certificates that can be shown; problems for the others.
pub(super) fn certificates(
    scope: &mut Scope<'_>,
    refs: Refs<'_>,
    field: &FieldPath,
    tls: Option<&kube::ListenerTls>,
) -> Vec<Certificate> {
    let list = field.field("tls.certificateRefs");
    let references = tls.map(|tls| tls.certificate_refs.as_slice()).unwrap_or_default();
    if references.is_empty() {
        scope.error(&list, Reason::RefNotFound, "must be set on an HTTPS listener");
    }
    let mut certificates = Vec::new();
    for (index, reference) in references.iter().enumerate() {
        let field = list.index(index);
        let Some((_, name)) = refs.object(scope, &field, reference, &[GroupKind::Secret]) else { continue };
        certificates.extend(certificate(scope, refs, &field, &name));
    }
    certificates
}

/// Of a permitted Secret.
pub(super) fn certificate(
    scope: &mut Scope<'_>,
    refs: Refs<'_>,
    field: &FieldPath,
    name: &ObjectName,
) -> Option<Certificate> {
    let (chain_pem, key_pem) = pem::pair(scope, refs, field, name)?;
    Some(Certificate { chain_pem, key_pem })
}

/// The validation that holds for a port, with its field: that of the port, else the Gateway's.
pub(super) fn validation(tls: Option<&kube::GatewayTls>, port: u16) -> Option<(FieldPath, &kube::FrontendValidation)> {
    let frontend = tls?.frontend.as_ref()?;
    let field = FieldPath::of("spec.tls.frontend");
    let of_port = frontend.per_port.iter().enumerate().find(|(_, of_port)| of_port.port == port);
    let (field, config) = match of_port {
        Some((index, of_port)) => (field.field("perPort").index(index).field("tls.validation"), &of_port.tls),
        None => (field.field("default.validation"), &frontend.default),
    };
    Some((field, config.validation.as_ref()?))
}

/// The authorities that can be read; `None`, with problems, without any.
pub(super) fn client(
    scope: &mut Scope<'_>,
    refs: Refs<'_>,
    field: &FieldPath,
    validation: &kube::FrontendValidation,
) -> Option<ClientValidation> {
    let list = field.field("caCertificateRefs");
    if validation.ca_certificate_refs.is_empty() {
        scope.error(&list, Reason::RefNotFound, "must not be empty");
    }
    let mut room = pem::Room::default();
    let references = validation.ca_certificate_refs.iter().enumerate();
    let ca_pem: Vec<_> = references
        .filter_map(|(index, reference)| {
            pem::authorities(scope, refs, &list.index(index), reference, &[GroupKind::ConfigMap], &mut room)
        })
        .collect();
    (!ca_pem.is_empty()).then_some(ClientValidation { ca_pem, is_required: true })
}
