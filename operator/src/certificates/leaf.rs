//! Certificates that are shown: who is in them, for how long, and when the next one is due.
//!
//! Pure: told the time. Keys stay where they are made, in memory or in one Secret.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType};
use x509_parser::pem::parse_x509_pem;

use super::CertificateError;
use super::authority::Signer;

/// Of a certificate that is shown.
pub const LIFE: Duration = Duration::from_secs(7 * 86_400);
/// Nodes' clocks differ, and one that is behind must not refuse what was just made.
pub const BACKDATE: Duration = Duration::from_secs(3_600);

/// The part that the bearer plays on the config stream, as organisational unit of its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// May relay what its pods say.
    Operator,
    /// May watch.
    Dataplane,
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Leaf {
    pub certificate_pem: String,
    pub key_pem: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub start: Timestamp,
    pub end: Timestamp,
}

/// Makes a certificate for `names` and `addresses`.
///
/// # Errors
/// The authority's key does not fit, or the library fails.
pub fn issue(
    signer: &Signer,
    part: Part,
    names: &[String],
    addresses: &[IpAddr],
    now: Timestamp,
) -> Result<Leaf, CertificateError> {
    let issuer = Issuer::from_ca_cert_pem(&signer.certificate_pem, KeyPair::from_pem(&signer.key_pem)?)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.subject_alt_names.extend(addresses.iter().map(|address| SanType::IpAddress(*address)));
    params.distinguished_name.push(DnType::CommonName, format!("ringway {}", part.as_str()));
    params.distinguished_name.push(DnType::OrganizationalUnitName, part.as_str());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if part == Part::Operator {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    params.use_authority_key_identifier_extension = true;
    // Never past its issuer's end.
    let mut validity = Validity::from(now, LIFE);
    validity.end = validity.end.min(Validity::of_pem(&signer.certificate_pem)?.end);
    (params.not_before, params.not_after) = (validity.not_before().into(), validity.not_after().into());
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Leaf { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
}

/// Whether `certificate_pem` is to be replaced: a third of its life is left, or another authority signs now.
#[must_use]
pub fn is_due(signer: &Signer, certificate_pem: &str, now: Timestamp) -> bool {
    let Ok(validity) = Validity::of_pem(certificate_pem) else { return true };
    validity.remaining(now) * 3 <= LIFE || !is_signed_by(signer, certificate_pem)
}

/// Authorities of one install share their name; the signature tells them apart.
fn is_signed_by(signer: &Signer, certificate_pem: &str) -> bool {
    let leaf = parse_x509_pem(certificate_pem.as_bytes());
    let authority = parse_x509_pem(signer.certificate_pem.as_bytes());
    let (Ok((_, leaf)), Ok((_, authority))) = (leaf, authority) else { return false };
    let (Ok(leaf), Ok(authority)) = (leaf.parse_x509(), authority.parse_x509()) else { return false };
    leaf.verify_signature(Some(authority.public_key())).is_ok()
}

// === impl Part ===

impl Part {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Dataplane => "dataplane",
        }
    }
}

// === impl Leaf ===

impl std::fmt::Debug for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaf").finish_non_exhaustive()
    }
}

// === impl Validity ===

impl Validity {
    #[must_use]
    pub fn from(now: Timestamp, life: Duration) -> Self {
        Self { start: now - BACKDATE, end: now + life }
    }

    /// Of the first certificate in `pem`.
    ///
    /// # Errors
    /// There is none.
    pub fn of_pem(pem: &str) -> Result<Self, CertificateError> {
        let unreadable = |message: String| CertificateError::Unreadable { what: "a certificate", message };
        // The parser's own errors may hold what they read.
        let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|_| unreadable("not PEM".to_owned()))?;
        let certificate = block.parse_x509().map_err(|_| unreadable("not X.509".to_owned()))?;
        let validity = certificate.validity();
        let time = |seconds| Timestamp::from_second(seconds).map_err(|error| unreadable(error.to_string()));
        Ok(Self { start: time(validity.not_before.timestamp())?, end: time(validity.not_after.timestamp())? })
    }

    #[must_use]
    pub fn remaining(self, now: Timestamp) -> Duration {
        Duration::try_from(self.end.duration_since(now)).unwrap_or_default()
    }

    #[must_use]
    pub fn age(self, now: Timestamp) -> Duration {
        Duration::try_from(now.duration_since(self.start)).unwrap_or_default()
    }

    pub(super) fn not_before(self) -> SystemTime {
        self.start.into()
    }

    pub(super) fn not_after(self) -> SystemTime {
        self.end.into()
    }
}
