//! A backend by `url`, and the `Host` header of any HTTP backend.

use ringway_crds::MCPBackendSpec;
use ringway_snapshot::{Dial, HttpTarget, Scheme};
use url::{Host, Url};

use super::tls;
use crate::path::FieldPath;
use crate::problem::Reason;
use crate::refs::Refs;
use crate::scope::Scope;
use crate::text;

pub(super) fn target(scope: &mut Scope<'_>, refs: Refs<'_>, spec: &MCPBackendSpec, text: &str) -> Option<HttpTarget> {
    let field = FieldPath::of("spec.url");
    let url = match checked(text) {
        Ok(url) => Some(url),
        Err(message) => {
            scope.error(&field, Reason::InvalidValue, message);
            None
        }
    };
    let tls = tls::tls(scope, refs, spec.tls.as_ref());
    let host_header = spec.host.as_deref().and_then(|host| host_header(scope, host));
    let url = url?;
    let scheme = if url.scheme() == "https" { Scheme::Https } else { Scheme::Http };
    if scheme == Scheme::Http && spec.tls.is_some() {
        scope.error(&FieldPath::of("spec.tls"), Reason::InvalidValue, "an http url has no TLS; write https");
    }
    let dial = dial(scope, refs, &url);
    let hostname = match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let authority = url.port().map_or_else(
        || url.host_str().unwrap_or_default().to_owned(),
        |port| format!("{}:{port}", url.host_str().unwrap_or_default()),
    );
    Some(HttpTarget {
        scheme,
        hostname,
        port: url.port_or_known_default()?,
        path: url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path())),
        host_header: host_header.unwrap_or(authority),
        endpoints: None,
        dial: dial?,
        tls: (scheme == Scheme::Https).then(|| tls.unwrap_or_default()),
    })
}

/// In a cluster a `url` is a tenant's: it must not lead to what only the gateway can reach.
fn dial(scope: &mut Scope<'_>, refs: Refs<'_>, url: &Url) -> Option<Dial> {
    let Some(install) = refs.install.cluster() else { return Some(Dial::Any) };
    let dial = install.allowed_hosts.dial(&url.host()?, &install.cluster_domain);
    if dial.is_none() {
        let message = format!(
            "{} is of the cluster or of a private network; only the public internet and the install's allowedHosts \
             may be named, for a Service of the cluster there is `service`",
            text::cut(url.host_str().unwrap_or_default())
        );
        scope.error(&FieldPath::of("spec.url"), Reason::InvalidValue, message);
    }
    dial
}

fn checked(text: &str) -> Result<Url, &'static str> {
    if text.len() > 2048 {
        return Err("must be at most 2048 bytes");
    }
    let url = Url::parse(text).map_err(|_| "must be an absolute http or https URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must be an http or https URL");
    }
    // The parser drops line breaks and tabs, and takes `\` for `/`: what is written would not be what is dialled.
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err("must not hold spaces, control characters or backslashes");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or password; see credentials");
    }
    if url.fragment().is_some() {
        return Err("must not hold a fragment");
    }
    if url.port() == Some(0) {
        return Err("must not name port 0");
    }
    Ok(url)
}

/// A `Host` header as written: a name or address with an optional port.
pub(super) fn host_header(scope: &mut Scope<'_>, host: &str) -> Option<String> {
    let is_authority = host.len() <= 261
        && !host.contains('@')
        && host
            .parse::<http::uri::Authority>()
            .is_ok_and(|authority| !authority.host().is_empty() && Url::parse(&format!("http://{authority}/")).is_ok());
    if !is_authority {
        let message = "must be a host name or address with an optional port";
        scope.error(&FieldPath::of("spec.host"), Reason::InvalidValue, message);
        return None;
    }
    Some(host.to_owned())
}
