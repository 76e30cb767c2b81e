//! What the operator keeps in Secrets: the CA, the data plane's certificate, the session keys. Contents are parsed, never
//! shown.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use ringway_seal::Keyring;
use x509_parser::pem::parse_x509_pem;
use x509_parser::time::ASN1Time;

use crate::status::facts::{Named, Secrets};
use crate::status::report::Check;

/// A certificate with less than this part of its life left should have been renewed: the operator does at a third.
const LATE: i64 = 10;

pub(super) fn checks(secrets: &Secrets, namespace: &str, now: Timestamp) -> Vec<Check> {
    vec![
        look(&secrets.authority, namespace, |secret| certificate(secret, now)),
        look(&secrets.data_plane, namespace, |secret| certificate(secret, now)),
        look(&secrets.keys, namespace, |secret| keys(secret, &secrets.keys_key)),
    ]
}

/// What is wrong inside, and how bad.
enum Fault {
    Problem(String),
    Late(String),
}

fn look(named: &Named<Secret>, namespace: &str, judge: impl Fn(&Secret) -> Result<String, Fault>) -> Check {
    let name = &named.name;
    let secret = match &named.looked {
        Err(error) => return Check::blind(&format!("Secret {name}"), error),
        Ok(None) => {
            let remedy = "the operator's lease holder makes it: look at its log";
            return Check::problem(format!("there is no Secret {name} in {namespace}"), remedy);
        }
        Ok(Some(secret)) => secret,
    };
    let renew = format!("kubectl -n {namespace} delete secret {name}: the operator makes a new one");
    match judge(secret) {
        Ok(text) => Check::ok(format!("Secret {name}: {text}")),
        Err(Fault::Problem(text)) => Check::problem(format!("Secret {name}: {text}"), renew),
        Err(Fault::Late(text)) => {
            Check::warning(format!("Secret {name}: {text}"), "the operator should have renewed it: look at its log")
        }
    }
}

fn field<'a>(secret: &'a Secret, key: &str) -> Result<&'a [u8], Fault> {
    let value = secret.data.as_ref().and_then(|data| data.get(key));
    value.map(|bytes| bytes.0.as_slice()).ok_or_else(|| Fault::Problem(format!("it has no key {key}")))
}

fn certificate(secret: &Secret, now: Timestamp) -> Result<String, Fault> {
    field(secret, "tls.key")?;
    let broken = |_| Fault::Problem("tls.crt is no certificate".to_owned());
    let (_, pem) = parse_x509_pem(field(secret, "tls.crt")?).map_err(broken)?;
    let certificate = pem.parse_x509().map_err(|_| Fault::Problem("tls.crt is no certificate".to_owned()))?;
    let seconds = |time: ASN1Time| time.timestamp();
    let (from, to) = (seconds(certificate.validity().not_before), seconds(certificate.validity().not_after));
    let shown = Timestamp::from_second(to).map_or_else(|_| to.to_string(), |time| time.to_string());
    let left = to - now.as_second();
    if left <= 0 {
        return Err(Fault::Problem(format!("the certificate expired at {shown}")));
    }
    if left < (to - from) / LATE {
        return Err(Fault::Late(format!("the certificate expires at {shown}")));
    }
    Ok(format!("good until {shown}"))
}

fn keys(secret: &Secret, key: &str) -> Result<String, Fault> {
    let text = std::str::from_utf8(field(secret, key)?);
    let text = text.map_err(|_| Fault::Problem(format!("{key} is no text")))?;
    let keyring = Keyring::parse(text).map_err(|error| Fault::Problem(format!("{key}: {error}")))?;
    match keyring.key_ids().count() {
        1 => Ok("1 session key".to_owned()),
        count => Ok(format!("{count} session keys")),
    }
}
