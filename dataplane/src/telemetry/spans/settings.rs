//! The standard OpenTelemetry variables, read through a function that looks one up: where spans go, which, and as whose.
//!
//! A value that cannot be followed is refused by the variable's name, never ignored. Values of headers are secret and
//! stand in no message. Source: OpenTelemetry specification, "Environment variables" and "OTLP exporter".

use std::fmt;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};

use super::sampler::Sampler;

/// The whole time for one batch, with its retries.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How spans are made and where they go.
#[derive(Clone)]
pub struct TraceSettings {
    pub(super) collector: Address,
    pub(super) headers: HeaderMap,
    /// Attributes of the process; `service.name` is among them when it was given.
    pub(super) resource: Vec<(String, String)>,
    pub(super) sampler: Sampler,
    pub(super) timeout: Duration,
}

/// Where the collector takes traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// As it stands in the URL, for the `Host` header.
    pub(super) authority: String,
    pub(super) path: PathAndQuery,
}

/// A variable that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct SettingError {
    name: &'static str,
    problem: String,
}

/// Non-empty values by name.
struct Variables<F>(F);

// === impl TraceSettings ===

impl TraceSettings {
    /// Reads `OTEL_SDK_DISABLED`, `OTEL_TRACES_EXPORTER`, `OTEL_EXPORTER_OTLP_{,TRACES_}{ENDPOINT,HEADERS,TIMEOUT,PROTOCOL,
    /// COMPRESSION}`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_TRACES_SAMPLER{,_ARG}`. `None`: no endpoint
    /// is set, or spans are switched off.
    ///
    /// # Errors
    /// A value that is malformed, or asks for what is not built in: gRPC, JSON, compression, own certificates, remote
    /// samplers.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, SettingError> {
        let variables = Variables(lookup);
        if variables.one("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let exporter = "OTEL_TRACES_EXPORTER";
        match variables.one(exporter).as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(other) => return Err(SettingError::new(exporter, format!("{other:?} is not otlp or none"))),
        }
        let Some(collector) = variables.collector()? else { return Ok(None) };
        variables.refuse_unsupported()?;
        Ok(Some(Self {
            collector,
            headers: variables.headers()?,
            resource: variables.resource()?,
            sampler: variables.sampler()?,
            timeout: variables.timeout()?,
        }))
    }
}

impl fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceSettings")
            .field("collector", &self.collector)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("sampler", &self.sampler)
            .finish_non_exhaustive()
    }
}

// === impl SettingError ===

impl SettingError {
    fn new(name: &'static str, problem: impl Into<String>) -> Self {
        Self { name, problem: problem.into() }
    }
}

// === impl Address ===

impl Address {
    /// `suffix`: what the general endpoint needs to become the one for traces.
    fn parse(text: &str, suffix: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| "not a URL".to_owned())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("begins with neither http:// nor https://".to_owned()),
        };
        let authority = uri.authority().ok_or("a URL without a host")?;
        if authority.as_str().contains('@') {
            return Err("holds a user name; credentials go into OTEL_EXPORTER_OTLP_HEADERS".to_owned());
        }
        let path = match suffix {
            "" => uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
            _ => {
                format!("{}/{suffix}", uri.path().trim_end_matches('/')).parse().map_err(|_| "not a URL".to_owned())?
            }
        };
        Ok(Self {
            tls,
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path,
        })
    }
}

// === impl Variables ===

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// An empty value is as good as none.
    fn one(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The variable for traces, else the one for all signals.
    fn either(&self, traces: &'static str, all: &'static str) -> Option<(&'static str, String)> {
        [traces, all].into_iter().find_map(|name| Some((name, self.one(name)?)))
    }

    fn collector(&self) -> Result<Option<Address>, SettingError> {
        let (traces, all) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT");
        let Some((name, value)) = self.either(traces, all) else { return Ok(None) };
        let suffix = if name == all { "v1/traces" } else { "" };
        Address::parse(&value, suffix).map(Some).map_err(|problem| SettingError::new(name, problem))
    }

    fn refuse_unsupported(&self) -> Result<(), SettingError> {
        let protocol = self.either("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL");
        if let Some((name, value)) = protocol.filter(|(_, value)| value != "http/protobuf") {
            return Err(SettingError::new(name, format!("{value:?} is not served; http/protobuf is")));
        }
        let compression = self.either("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION");
        if let Some((name, value)) = compression.filter(|(_, value)| value != "none") {
            return Err(SettingError::new(name, format!("{value:?} is not served; none is")));
        }
        for name in [
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
            "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
            "OTEL_EXPORTER_OTLP_CLIENT_KEY",
            "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
        ] {
            if self.one(name).is_some() {
                return Err(SettingError::new(name, "not served; the system's certificates are used"));
            }
        }
        Ok(())
    }

    fn headers(&self) -> Result<HeaderMap, SettingError> {
        let mut headers = HeaderMap::new();
        let found = self.either("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS");
        let Some((variable, text)) = found else { return Ok(headers) };
        for (key, value) in pairs(&text).map_err(|problem| SettingError::new(variable, problem))? {
            let header = HeaderName::try_from(&key).ok().zip(HeaderValue::try_from(value).ok());
            let Some((name, mut value)) = header else {
                return Err(SettingError::new(variable, format!("{key:?} is no legal header")));
            };
            if [http::header::HOST, http::header::CONTENT_LENGTH, http::header::TRANSFER_ENCODING].contains(&name) {
                return Err(SettingError::new(variable, format!("{key:?} may not be set")));
            }
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }

    fn resource(&self) -> Result<Vec<(String, String)>, SettingError> {
        let name = "OTEL_RESOURCE_ATTRIBUTES";
        let text = self.one(name).unwrap_or_default();
        let mut resource = pairs(&text).map_err(|problem| SettingError::new(name, problem))?;
        if let Some(service) = self.one("OTEL_SERVICE_NAME") {
            resource.retain(|(key, _)| key != "service.name");
            resource.push(("service.name".to_owned(), service));
        }
        Ok(resource)
    }

    fn sampler(&self) -> Result<Sampler, SettingError> {
        let name = "OTEL_TRACES_SAMPLER";
        let text = self.one(name).unwrap_or_else(|| "parentbased_always_on".to_owned());
        let (parent_based, root) =
            text.strip_prefix("parentbased_").map_or((false, text.as_str()), |root| (true, root));
        let sampler = match root {
            "always_on" => Sampler::ALWAYS,
            "always_off" => Sampler::NEVER,
            "traceidratio" => Sampler::ratio(self.share()?),
            _ => return Err(SettingError::new(name, format!("{text:?} is not served"))),
        };
        Ok(if parent_based { sampler.parent_based() } else { sampler })
    }

    fn share(&self) -> Result<f64, SettingError> {
        let name = "OTEL_TRACES_SAMPLER_ARG";
        let Some(text) = self.one(name) else { return Ok(1.0) };
        let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
        share.ok_or_else(|| SettingError::new(name, format!("{text:?} is no number between 0 and 1")))
    }

    fn timeout(&self) -> Result<Duration, SettingError> {
        let found = self.either("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
        let Some((name, text)) = found else { return Ok(TIMEOUT) };
        let millis = text.parse().ok().filter(|millis| (1..=3_600_000).contains(millis));
        let millis = millis.ok_or_else(|| SettingError::new(name, format!("{text:?} is no number of milliseconds")))?;
        Ok(Duration::from_millis(millis))
    }
}

/// `key=value,key=value`, values percent-encoded (the form of W3C baggage without properties). The error names no value.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .enumerate()
        .map(|(at, entry)| {
            let problem = || format!("entry {} is not key=value", at + 1);
            let (key, value) = entry.split_once('=').ok_or_else(problem)?;
            let (key, value) = (key.trim(), decoded(value.trim()).ok_or_else(problem)?);
            if key.is_empty() { Err(problem()) } else { Ok((key.to_owned(), value)) }
        })
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            rest = rest.get(2..)?;
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    fn read(variables: &[(&str, &str)]) -> Result<Option<TraceSettings>, SettingError> {
        let value = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        TraceSettings::from_variables(value)
    }

    fn on(variables: &[(&str, &str)]) -> TraceSettings {
        read(&[&[ENDPOINT], variables].concat()).unwrap().unwrap()
    }

    fn refused(name: &str, value: &str) -> String {
        let error = read(&[ENDPOINT, (name, value)]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{name}: ")), "{error}");
        error
    }

    #[test]
    fn off_without_an_endpoint_or_by_a_switch() {
        for variables in [
            &[][..],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")],
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
            &[("OTEL_TRACES_SAMPLER", "nonsense")],
        ] {
            assert!(read(variables).unwrap().is_none(), "{variables:?}");
        }
        on(&[("OTEL_SDK_DISABLED", "false"), ("OTEL_TRACES_EXPORTER", "otlp")]);
    }

    #[test]
    fn the_general_endpoint_gets_a_path_and_the_one_for_traces_has_its_own() {
        for (name, url, host, port, path) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "c", 4318, "/v1/traces"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/base/", "c", 443, "/base/v1/traces"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1]:1/", "::1", 1, "/v1/traces"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c", "c", 80, "/"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/api/otlp?x=1", "c", 80, "/api/otlp?x=1"),
        ] {
            let address = read(&[(name, url)]).unwrap().unwrap().collector;
            assert_eq!((address.host.as_str(), address.port, address.path.as_str()), (host, port, path), "{url}");
            assert_eq!(address.tls, url.starts_with("https"));
        }
        let both = on(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces/x")]);
        assert_eq!((both.collector.host.as_str(), both.collector.path.as_str()), ("traces", "/x"));
        for url in ["collector:4318", "grpc://c", "http://", "http://u:p@c", "not a url"] {
            let error = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", url)]).unwrap_err().to_string();
            assert!(error.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: ") && !error.contains("u:p"), "{error}");
        }
    }

    #[test]
    fn headers_are_decoded_and_never_shown() {
        let settings = on(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret , x-a=1,")]);
        assert_eq!(settings.headers["authorization"], "Bearer s3cret");
        assert_eq!(settings.headers["x-a"], "1");
        assert!(!format!("{settings:?}").contains("s3cret"));
        let own = [("OTEL_EXPORTER_OTLP_HEADERS", "x-a=1"), ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-b=2")];
        assert_eq!(on(&own).headers.keys().collect::<Vec<_>>(), ["x-b"]);
        for bad in ["s3cret", "=s3cret", "a b=s3cret", "a=s3cret%2", "a=s3cret%zz", "a=s3cret%0a", "host=s3cret"] {
            let error = refused("OTEL_EXPORTER_OTLP_HEADERS", bad);
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn the_service_name_has_a_variable_of_its_own() {
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,k8s.pod.name=p%2C1");
        let pod = ("k8s.pod.name".to_owned(), "p,1".to_owned());
        assert_eq!(on(&[attributes]).resource, [("service.name".to_owned(), "a".to_owned()), pod.clone()]);
        let named = on(&[attributes, ("OTEL_SERVICE_NAME", "b")]);
        assert_eq!(named.resource, [pod, ("service.name".to_owned(), "b".to_owned())]);
        refused("OTEL_RESOURCE_ATTRIBUTES", "nonsense");
    }

    #[test]
    fn samplers_by_their_standard_names() {
        let sampler = |name, share| on(&[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", share)]).sampler;
        assert_eq!(on(&[]).sampler, Sampler::ALWAYS.parent_based());
        assert_eq!(sampler("always_on", ""), Sampler::ALWAYS);
        assert_eq!(sampler("parentbased_always_off", ""), Sampler::NEVER.parent_based());
        assert_eq!(sampler("traceidratio", ""), Sampler::ALWAYS);
        assert_eq!(sampler("parentbased_traceidratio", "0.25"), Sampler::ratio(0.25).parent_based());
        refused("OTEL_TRACES_SAMPLER", "jaeger_remote");
        for share in ["2", "-1", "NaN", "x"] {
            let variables = [ENDPOINT, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", share)];
            assert!(read(&variables).unwrap_err().to_string().starts_with("OTEL_TRACES_SAMPLER_ARG: "));
        }
    }

    #[test]
    fn what_is_not_built_in_is_refused_by_name() {
        refused("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        refused("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json");
        refused("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
        refused("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem");
        refused("OTEL_TRACES_EXPORTER", "zipkin");
        refused("OTEL_EXPORTER_OTLP_TIMEOUT", "0");
        let fine = on(&[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ]);
        assert_eq!(fine.timeout, Duration::from_millis(2_500));
        assert_eq!(on(&[]).timeout, TIMEOUT);
    }
}
