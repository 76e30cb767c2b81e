//! Keeps the Secrets of the install, and this replica's own certificates by them.
//!
//! Only the holder of the Lease writes, and every write is a creation or names the resourceVersion that it depends on, so
//! two replicas can never end with two authorities. The others wait for what the holder makes. Session keys are made once
//! and never touched again.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};
use ringway_translate::install::ClusterInstall;
use tokio::sync::watch;
use tokio::time::Instant;

use super::authority::{Authority, BUNDLE, CERTIFICATE, KEY};
use super::leaf::{self, Leaf, Part};
use super::{CertificateError, Identity, tls};
use crate::lease::Claim;

/// How often everything is looked at: certificates live for days.
const INTERVAL: Duration = Duration::from_secs(30);
/// How soon after something was missing or failed.
const RETRY: Duration = Duration::from_secs(1);
/// For all calls of one look: a connection that went dead without a word is given up.
const TURN_TIMEOUT: Duration = Duration::from_secs(15);
/// The key in the Secret of session keys.
const SESSION_KEYS: &str = "keys";

pub struct Keeper {
    pub client: Client,
    pub install: ClusterInstall,
    /// Where other replicas and pods reach this one.
    pub address: IpAddr,
    pub claims: watch::Receiver<Claim>,
}

/// This replica's own.
struct Own {
    leaf: Leaf,
    bundle: String,
}

// === impl Keeper ===

impl Keeper {
    /// Runs for ever; `identity` is filled as soon as there is an authority, and kept fresh.
    pub async fn run(mut self, identity: watch::Sender<Option<Identity>>) {
        let mut own = None;
        loop {
            // Wherever it is cut off, the next turn begins with what stands by then.
            let turn = tokio::time::timeout(TURN_TIMEOUT, self.turn(&mut own, &identity));
            let wait = match turn.await.unwrap_or(Err(CertificateError::Silent)) {
                Ok(true) => INTERVAL,
                Ok(false) => RETRY,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "certificates");
                    RETRY
                }
            };
            // A new holder looks at once. Without a sender the process is ending.
            let told = tokio::time::timeout(wait, self.claims.changed()).await;
            if matches!(told, Ok(Err(_))) {
                return;
            }
        }
    }

    /// False: waiting for the holder.
    async fn turn(
        &self,
        own: &mut Option<Own>,
        identity: &watch::Sender<Option<Identity>>,
    ) -> Result<bool, CertificateError> {
        let now = Timestamp::now();
        let Some(authority) = self.authority(now).await? else {
            tracing::debug!("waiting for the holder of the lease to make the install's authority");
            return Ok(false);
        };
        self.renew(&authority, now, own, identity)?;
        if self.is_holder() {
            self.dataplane(&authority, now).await?;
            self.session_keys().await?;
        }
        Ok(true)
    }

    /// As it stands in its Secret after what was due.
    async fn authority(&self, now: Timestamp) -> Result<Option<Authority>, CertificateError> {
        let secrets = self.secrets();
        let (secret, subject) = (format!("{}-ca", self.install.name), format!("{} authority", self.install.name));
        let Some(held) = secrets.get_opt(&secret).await? else {
            if !self.is_holder() {
                return Ok(None);
            }
            let authority = Authority::new(&subject, now)?;
            let made = self.secret(&secret, "kubernetes.io/tls", authority.to_data());
            return match secrets.create(&PostParams::default(), &made).await {
                Ok(_) => {
                    tracing::info!(secret, "authority made");
                    Ok(Some(authority))
                }
                // Another was faster: the next turn reads what it made.
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(None),
                Err(error) => Err(error.into()),
            };
        };
        let authority = Authority::parse(&secret, &text(&held))?;
        let Some(due) = authority.due(&subject, now)?.filter(|_| self.is_holder()) else {
            return Ok(Some(authority));
        };
        secrets.replace(&secret, &PostParams::default(), &with_data(held, due.to_data())).await?;
        tracing::info!(secret, has_next = due.next.is_some(), retired = due.retired.len(), "authority rotated");
        Ok(Some(due))
    }

    /// Issues what this replica shows, when it is due.
    fn renew(
        &self,
        authority: &Authority,
        now: Timestamp,
        own: &mut Option<Own>,
        identity: &watch::Sender<Option<Identity>>,
    ) -> Result<(), CertificateError> {
        let bundle = authority.bundle();
        let is_fresh =
            |own: &Own| own.bundle == bundle && !leaf::is_due(&authority.signer, &own.leaf.certificate_pem, now);
        if own.as_ref().is_some_and(is_fresh) {
            return Ok(());
        }
        let ClusterInstall { name, namespace, cluster_domain, .. } = &self.install;
        let service = format!("{name}-operator.{namespace}.svc");
        let names = [format!("{service}.{cluster_domain}"), service];
        let leaf = leaf::issue(&authority.signer, Part::Operator, &names, &[self.address], now)?;
        let (server, client) = (Arc::new(tls::server(&leaf, &bundle)?), Arc::new(tls::client(&leaf, &bundle)?));
        identity.send_if_modified(|identity| match identity {
            Some(identity) => {
                identity.server.store(Arc::clone(&server));
                identity.client.store(Arc::clone(&client));
                false
            }
            None => {
                let server = Arc::new(ArcSwap::new(Arc::clone(&server)));
                *identity = Some(Identity { server, client: Arc::new(ArcSwap::new(Arc::clone(&client))) });
                true
            }
        });
        tracing::info!("certificate of this replica issued");
        *own = Some(Own { leaf, bundle });
        Ok(())
    }

    /// What the data plane shows and trusts.
    async fn dataplane(&self, authority: &Authority, now: Timestamp) -> Result<(), CertificateError> {
        let secrets = self.secrets();
        let name = format!("{}-dataplane-tls", self.install.name);
        let held = secrets.get_opt(&name).await?;
        let bundle = authority.bundle();
        if let Some(held) = &held {
            let data = text(held);
            let certificate = data.get(CERTIFICATE).map(String::as_str).unwrap_or_default();
            let is_fresh = !leaf::is_due(&authority.signer, certificate, now) && data.contains_key(KEY);
            if is_fresh && data.get(BUNDLE) == Some(&bundle) {
                return Ok(());
            }
        }
        let leaf = leaf::issue(&authority.signer, Part::Dataplane, &[], &[], now)?;
        let data = BTreeMap::from([
            (BUNDLE.to_owned(), bundle),
            (CERTIFICATE.to_owned(), leaf.certificate_pem),
            (KEY.to_owned(), leaf.key_pem),
        ]);
        match held {
            Some(held) => secrets.replace(&name, &PostParams::default(), &with_data(held, data)).await?,
            None => secrets.create(&PostParams::default(), &self.secret(&name, "kubernetes.io/tls", data)).await?,
        };
        tracing::info!(secret = name, "certificate of the data plane issued");
        Ok(())
    }

    /// Made once, never touched again: rotation is the user's.
    async fn session_keys(&self) -> Result<(), CertificateError> {
        let secrets = self.secrets();
        let name = format!("{}-session-keys", self.install.name);
        if secrets.get_opt(&name).await?.is_some() {
            return Ok(());
        }
        let data = BTreeMap::from([(SESSION_KEYS.to_owned(), ringway_seal::generate_file_text()?)]);
        match secrets.create(&PostParams::default(), &self.secret(&name, "Opaque", data)).await {
            Ok(_) => tracing::info!(secret = name, "session keys made"),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.install.namespace)
    }

    fn is_holder(&self) -> bool {
        self.claims.borrow().is_current(Instant::now())
    }

    fn secret(&self, name: &str, kind: &str, data: BTreeMap<String, String>) -> Secret {
        let label = |key: &str, value: &str| (format!("app.kubernetes.io/{key}"), value.to_owned());
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.install.namespace.clone()),
            labels: Some([label("managed-by", "ringway-operator"), label("instance", &self.install.name)].into()),
            ..ObjectMeta::default()
        };
        with_data(Secret { metadata, type_: Some(kind.to_owned()), ..Secret::default() }, data)
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("address", &self.address).finish_non_exhaustive()
    }
}

fn with_data(mut secret: Secret, data: BTreeMap<String, String>) -> Secret {
    secret.metadata.managed_fields = None;
    secret.data = Some(data.into_iter().map(|(key, text)| (key, ByteString(text.into_bytes()))).collect());
    secret
}

fn text(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.iter().flatten();
    data.filter_map(|(key, bytes)| Some((key.clone(), String::from_utf8(bytes.0.clone()).ok()?))).collect()
}

#[cfg(test)]
mod tests;
