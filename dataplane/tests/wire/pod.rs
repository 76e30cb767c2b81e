//! A gateway as a pod of a cluster runs it: sockets by port, listeners and certificates by snapshot.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use ringway_dataplane::app::{Gateway, LimitSettings, Listen, LogTarget, Settings};
use ringway_seal::Keyring;
use ringway_snapshot::{
    Backend, Certificate, ClientValidation, Listener, ListenerName, ListenerTls, ObjectName, Route, Secret, Snapshot,
    Target,
};
use ringway_testkit::ask::Ask;
use ringway_testkit::client::{Answer, once};
use ringway_testkit::objects;
use ringway_testkit::upstream::Upstream;
use rustls_pki_types::CertificateDer;

/// The ports that every pod here has sockets for.
pub(crate) const PLAIN: u16 = 80;
pub(crate) const SECURE: u16 = 443;

/// A running pod.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) gateway: Arc<Gateway>,
}

/// An authority of the test's own.
pub(crate) struct Authority {
    pub(crate) pem: String,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: Certificate,
    pub(crate) der: CertificateDer<'static>,
    pub(crate) key: Vec<u8>,
}

// === impl Pod ===

impl Pod {
    pub(crate) fn start(snapshot: impl Into<Option<Snapshot>>) -> Self {
        Self::start_with(snapshot, |_| {})
    }

    pub(crate) fn start_with(snapshot: impl Into<Option<Snapshot>>, adapt: impl Fn(&mut LimitSettings)) -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut limits = LimitSettings::default();
        adapt(&mut limits);
        let settings = Settings {
            listen: Listen::Ports(BTreeMap::from([(PLAIN, any), (SECURE, any)])),
            admin: Some(any),
            debug: Some(any),
            workers: 4,
            keyring: Keyring::new([7; 32], []).unwrap(),
            tombstone_file: None,
            access_log: LogTarget::Off,
            traces: None,
            limits,
        };
        Self { gateway: Arc::new(Gateway::start(settings, snapshot).unwrap()) }
    }

    pub(crate) fn plain(&self) -> SocketAddr {
        self.gateway.port_addr(PLAIN).unwrap()
    }

    pub(crate) fn secure(&self) -> SocketAddr {
        self.gateway.port_addr(SECURE).unwrap()
    }

    /// Applies what must be taken whole.
    pub(crate) fn apply(&self, snapshot: Snapshot) {
        assert_eq!(self.gateway.apply(snapshot), []);
    }

    /// Applies, and says what was refused: `kind name: reason`.
    pub(crate) fn refused(&self, snapshot: Snapshot) -> Vec<String> {
        let rejections = self.gateway.apply(snapshot);
        rejections.iter().map(|one| format!("{} {}: {}", one.kind.as_str(), one.name, one.reason)).collect()
    }

    pub(crate) fn debug(&self, path: &str) -> serde_json::Value {
        let answer = once(self.gateway.debug_addr().unwrap(), &Ask::new("GET", path).with("Connection", "close"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    pub(crate) fn admin(&self, path: &str) -> Answer {
        once(self.gateway.admin_addr().unwrap(), &Ask::new("GET", path).with("Connection", "close"))
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.gateway.shutdown(std::time::Duration::ZERO);
    }
}

// === impl Authority ===

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let certificate = Certificate { chain_pem: made.pem(), key_pem: Secret::new(key.serialize_pem()) };
        Issued { certificate, der: made.der().clone(), key: key.serialize_der() }
    }
}

pub(crate) fn listener_name(name: &str) -> ListenerName {
    ListenerName::new(ObjectName::new("infra", "agents"), name)
}

pub(crate) fn plain_listener(name: &str, hostname: Option<&str>) -> Listener {
    Listener { name: listener_name(name), port: PLAIN, hostname: hostname.map(str::to_owned), tls: None }
}

pub(crate) fn secure_listener(name: &str, hostname: Option<&str>, certificates: &[&Issued]) -> Listener {
    let certificates = certificates.iter().map(|one| one.certificate.clone()).collect();
    Listener { port: SECURE, tls: Some(ListenerTls { certificates, client: None }), ..plain_listener(name, hostname) }
}

pub(crate) fn asking_for_clients(mut listener: Listener, authority: &Authority, is_required: bool) -> Listener {
    if let Some(tls) = &mut listener.tls {
        tls.client = Some(ClientValidation { ca_pem: vec![authority.pem.clone()], is_required });
    }
    listener
}

/// A route of one backend, named like it, at `/NAME`.
pub(crate) fn route(backend: &str, listeners: &[&str]) -> Route {
    let section = objects::section(backend, ObjectName::new("tests", backend), "");
    Route {
        path: format!("/{backend}"),
        listeners: listeners.iter().map(|name| listener_name(name)).collect(),
        ..objects::route(ObjectName::new("tests", backend), vec![section])
    }
}

pub(crate) fn backend(name: &str, upstream: &Upstream) -> Backend {
    let target = objects::http_target(upstream.address());
    objects::backend(ObjectName::new("tests", name), Target::Http(target))
}
