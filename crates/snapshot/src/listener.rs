//! A listener: a port, a host name, and the certificates shown there. Field meanings: Gateway API's `Gateway.spec.listeners`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::name::ObjectName;
use crate::secret::Secret;

/// A listener of a Gateway, `namespace/gateway/listener`, and so it is serialised. The install's own is the listener
/// `default` of a Gateway `default` in the install's namespace, whether or not Gateway API is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerName {
    pub gateway: ObjectName,
    pub listener: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    pub name: ListenerName,
    /// As clients dial it; which socket of the pod that is, is the data plane's own setting.
    pub port: u16,
    /// Lower case; `*.example.com` matches one or more labels in place of the star. `None`: every host.
    pub hostname: Option<String>,
    /// `None`: plain HTTP.
    pub tls: Option<ListenerTls>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListenerTls {
    /// At least one; the first is shown when no name fits.
    pub certificates: Vec<Certificate>,
    /// `None`: client certificates are not asked for.
    pub client: Option<ClientValidation>,
}

/// PEM, the leaf first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    pub chain_pem: String,
    pub key_pem: Secret,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientValidation {
    pub ca_pem: Vec<String>,
    /// False: a client without a certificate is let in; a bad one never is.
    pub is_required: bool,
}

// === impl Listener ===

impl Listener {
    /// Every secret, always in the same order: so the bytes travel beside the object.
    pub fn secrets_mut(&mut self) -> Vec<&mut Secret> {
        self.tls.iter_mut().flat_map(|tls| &mut tls.certificates).map(|certificate| &mut certificate.key_pem).collect()
    }
}

// === impl ListenerName ===

impl ListenerName {
    #[must_use]
    pub fn new(gateway: ObjectName, listener: impl Into<String>) -> Self {
        Self { gateway, listener: listener.into() }
    }
}

impl fmt::Display for ListenerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.gateway, self.listener)
    }
}

impl Serialize for ListenerName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ListenerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut parts = text.splitn(3, '/');
        let (Some(namespace), Some(gateway), Some(listener)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(de::Error::custom("expected namespace/gateway/listener"));
        };
        Ok(Self::new(ObjectName::new(namespace, gateway), listener))
    }
}
