//! Who is at the other end, by its certificate.
//!
//! The verifier of the TLS configuration has checked that the certificate is of our authority and in its time; here is
//! only read what it allows, and until when.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What a certificate allows: organisational unit (or organisation) of its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A pod of the data plane: `dataplane`.
    Dataplane,
    /// A replica of the operator: `operator`.
    Operator,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub role: Role,
    /// The streams end with the certificate.
    pub not_after: SystemTime,
}

/// Why a peer is turned away.
#[derive(Debug, thiserror::Error)]
pub(super) enum PeerError {
    #[error("the peer shows no certificate")]
    NoCertificate,
    #[error("the peer's certificate cannot be read")]
    Unreadable,
    #[error("the subject of the peer's certificate names neither `dataplane` nor `operator`, or both")]
    NoRole,
}

// === impl Peer ===

impl Peer {
    /// # Errors
    /// [`PeerError`].
    pub(super) fn of(chain: Option<&[CertificateDer<'_>]>) -> Result<Self, PeerError> {
        let leaf = chain.and_then(<[_]>::first).ok_or(PeerError::NoCertificate)?;
        let (_, certificate) = X509Certificate::from_der(leaf).map_err(|_| PeerError::Unreadable)?;
        let subject = certificate.subject();
        let names = subject.iter_organizational_unit().chain(subject.iter_organization());
        let mut roles = names.filter_map(|name| Role::named(name.as_str().ok()?));
        let role = roles.next().ok_or(PeerError::NoRole)?;
        if roles.any(|other| other != role) {
            return Err(PeerError::NoRole);
        }
        let seconds = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
        // A time that cannot be told is the end of time.
        let not_after = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or(PeerError::Unreadable)?;
        Ok(Self { role, not_after })
    }

    /// For how long its certificate still holds.
    pub(super) fn remaining(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or(Duration::ZERO)
    }
}

// === impl Role ===

impl Role {
    fn named(name: &str) -> Option<Self> {
        match name {
            "dataplane" => Some(Self::Dataplane),
            "operator" => Some(Self::Operator),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use rcgen::{CertificateParams, DnType, KeyPair};
    use rustls_pki_types::CertificateDer;

    use super::{Peer, PeerError, Role};

    fn certificate(names: &[(DnType, &str)]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate").der().clone()
    }

    #[test]
    fn the_subject_says_what_a_peer_may() {
        use DnType::{CommonName, OrganizationName, OrganizationalUnitName};
        let role = |names: &[(DnType, &str)]| Peer::of(Some(&[certificate(names)])).map(|peer| peer.role).ok();
        assert_eq!(role(&[(OrganizationalUnitName, "dataplane")]), Some(Role::Dataplane));
        assert_eq!(role(&[(OrganizationName, "operator")]), Some(Role::Operator));
        assert_eq!(role(&[(OrganizationName, "Acme"), (OrganizationalUnitName, "operator")]), Some(Role::Operator));
        assert_eq!(role(&[(CommonName, "operator")]), None);
        assert_eq!(role(&[(OrganizationalUnitName, "Operator")]), None);
        assert_eq!(role(&[(OrganizationName, "operator"), (OrganizationalUnitName, "dataplane")]), None);
        assert!(matches!(Peer::of(None), Err(PeerError::NoCertificate)));
        assert!(matches!(Peer::of(Some(&[CertificateDer::from(vec![1, 2, 3])])), Err(PeerError::Unreadable)));
    }

    #[test]
    fn its_end_is_known() {
        let peer = Peer::of(Some(&[certificate(&[(DnType::OrganizationName, "operator")])])).expect("it can be read");
        assert_eq!(peer.not_after, UNIX_EPOCH + Duration::from_secs(2_208_988_800));
        assert_eq!(peer.remaining(peer.not_after + Duration::from_secs(1)), Duration::ZERO);
        assert_eq!(peer.remaining(peer.not_after - Duration::from_secs(9)), Duration::from_secs(9));
    }
}
