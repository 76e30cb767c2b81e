//! The authority: a certificate and its key in a Secret, and the way from one to the next without a gap in trust.
//!
//! ```text
//! fresh ──2/3 of its life──► next is made, trusted beside ──a day──► next signs, the old is trusted ──its end──► gone
//! ```
//!
//! Everybody trusts the whole bundle, so both ends may turn over at their own pace: a mounted Secret follows within
//! minutes, and the day covers it. Pure: told the time.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};

use super::CertificateError;
use super::leaf::{BACKDATE, Validity};

/// Of an authority.
pub const LIFE: Duration = Duration::from_secs(365 * 86_400);
/// For how long the next one is trusted before it signs.
pub const INTRODUCTION: Duration = Duration::from_secs(86_400);

pub const CERTIFICATE: &str = "tls.crt";
pub const KEY: &str = "tls.key";
/// What is trusted: the one that signs first.
pub const BUNDLE: &str = "ca.crt";
const NEXT_CERTIFICATE: &str = "next.crt";
const NEXT_KEY: &str = "next.key";
/// Ends a certificate in a bundle.
const END: &str = "-----END CERTIFICATE-----";

/// One certificate that signs.
#[derive(Clone, PartialEq, Eq)]
pub struct Signer {
    pub certificate_pem: String,
    pub key_pem: String,
}

/// What the Secret holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    pub signer: Signer,
    pub next: Option<Signer>,
    /// Trusted until their end, and no longer used.
    pub retired: Vec<String>,
}

// === impl Signer ===

impl Signer {
    fn new(name: &str, now: Timestamp) -> Result<Self, CertificateError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let validity = Validity::from(now, LIFE);
        (params.not_before, params.not_after) = (validity.not_before().into(), validity.not_after().into());
        let certificate = params.self_signed(&key)?;
        Ok(Self { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

// === impl Authority ===

impl Authority {
    /// The first of an install.
    ///
    /// # Errors
    /// The library cannot make one.
    pub fn new(name: &str, now: Timestamp) -> Result<Self, CertificateError> {
        Ok(Self { signer: Signer::new(name, now)?, next: None, retired: Vec::new() })
    }

    /// Reads the data of Secret `secret`.
    ///
    /// # Errors
    /// Something is missing or is no certificate.
    pub fn parse(secret: &str, data: &BTreeMap<String, String>) -> Result<Self, CertificateError> {
        let text = |key: &'static str| {
            let missing = || CertificateError::MissingKey { secret: secret.to_owned(), key };
            data.get(key).cloned().ok_or_else(missing)
        };
        let signer = Signer { certificate_pem: text(CERTIFICATE)?, key_pem: text(KEY)? };
        Validity::of_pem(&signer.certificate_pem)?;
        if KeyPair::from_pem(&signer.key_pem).is_err() {
            // The library's own error may show what it read.
            let message = format!("Secret {secret} has something else under {KEY}");
            return Err(CertificateError::Unreadable { what: "the authority's key", message });
        }
        let next = match (data.get(NEXT_CERTIFICATE), data.get(NEXT_KEY)) {
            (Some(certificate), Some(key)) => {
                Validity::of_pem(certificate)?;
                Some(Signer { certificate_pem: certificate.clone(), key_pem: key.clone() })
            }
            _ => None,
        };
        let known = [Some(&signer.certificate_pem), next.as_ref().map(|next| &next.certificate_pem)];
        let bundle = data.get(BUNDLE).map(String::as_str).unwrap_or_default();
        let retired = blocks(bundle).filter(|pem| !known.iter().flatten().any(|known| known.trim() == pem.trim()));
        let retired = retired.map(|pem| Validity::of_pem(&pem).map(|_| pem)).collect::<Result<_, _>>()?;
        Ok(Self { signer, next, retired })
    }

    /// As the Secret holds it.
    #[must_use]
    pub fn to_data(&self) -> BTreeMap<String, String> {
        let mut data = BTreeMap::from([
            (CERTIFICATE.to_owned(), self.signer.certificate_pem.clone()),
            (KEY.to_owned(), self.signer.key_pem.clone()),
            (BUNDLE.to_owned(), self.bundle()),
        ]);
        if let Some(next) = &self.next {
            data.insert(NEXT_CERTIFICATE.to_owned(), next.certificate_pem.clone());
            data.insert(NEXT_KEY.to_owned(), next.key_pem.clone());
        }
        data
    }

    /// Every certificate that is trusted, as PEM.
    #[must_use]
    pub fn bundle(&self) -> String {
        let next = self.next.iter().map(|next| &next.certificate_pem);
        let all = std::iter::once(&self.signer.certificate_pem).chain(next).chain(&self.retired);
        all.map(|pem| format!("{}\n", pem.trim())).collect()
    }

    /// What it has to become; `None`: nothing is due.
    ///
    /// # Errors
    /// A certificate cannot be read or made.
    pub fn due(&self, name: &str, now: Timestamp) -> Result<Option<Self>, CertificateError> {
        let mut due = self.clone();
        due.retired.clear();
        for pem in &self.retired {
            if Validity::of_pem(pem)?.end > now {
                due.retired.push(pem.clone());
            }
        }
        if Validity::of_pem(&self.signer.certificate_pem)?.end <= now {
            // Nobody trusts it any more, so there is no gap to bridge.
            due.signer = match &self.next {
                Some(next) if Validity::of_pem(&next.certificate_pem)?.end > now => next.clone(),
                _ => Signer::new(name, now)?,
            };
            due.next = None;
            return Ok(Some(due));
        }
        match &self.next {
            None if Validity::of_pem(&self.signer.certificate_pem)?.remaining(now) * 3 <= LIFE => {
                due.next = Some(Signer::new(name, now)?);
            }
            Some(next) if Validity::of_pem(&next.certificate_pem)?.age(now) >= BACKDATE + INTRODUCTION => {
                due.retired.insert(0, blocks(&self.signer.certificate_pem).collect());
                due.signer = next.clone();
                due.next = None;
            }
            _ => {}
        }
        Ok((due != *self).then_some(due))
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("retired", &self.retired.len()).finish_non_exhaustive()
    }
}

fn blocks(bundle: &str) -> impl Iterator<Item = String> {
    bundle.split_inclusive(END).filter(|block| block.contains(END)).map(|block| format!("{}\n", block.trim()))
}

#[cfg(test)]
mod tests;
