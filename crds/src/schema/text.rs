//! What texts may look like, as patterns and lengths. The rules of the same names in `ringway-translate` are the same.
//!
//! Patterns keep to what RE2 and ECMAScript read alike. Lengths are in characters.

use schemars::Schema;

use super::rule;

/// Of a name that a server gave itself; who writes it cuts it.
pub const FOUND_CHARACTERS: u32 = 256;

fn shape(schema: &mut Schema, least: u32, most: u32, pattern: &str) {
    if least > 0 {
        schema.insert("minLength".into(), least.into());
    }
    schema.insert("maxLength".into(), most.into());
    if !pattern.is_empty() {
        schema.insert("pattern".into(), pattern.into());
    }
}

/// The name of an object: an RFC 1123 subdomain.
pub(crate) fn object_name(schema: &mut Schema) {
    shape(schema, 1, 253, r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$");
}

/// An RFC 1123 label: a namespace, the name of a rule.
pub(crate) fn label(schema: &mut Schema) {
    shape(schema, 1, 63, r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$");
}

/// An API group; empty for Kubernetes' core group.
pub(crate) fn group(schema: &mut Schema) {
    shape(schema, 0, 253, r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$");
}

/// A kind, as it is written in YAML.
pub(crate) fn kind(schema: &mut Schema) {
    shape(schema, 1, 63, r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$");
}

/// A key in a Secret or ConfigMap.
pub(crate) fn data_key(schema: &mut Schema) {
    shape(schema, 1, 253, r"^[-._a-zA-Z0-9]+$");
}

/// The key of a label.
pub(crate) fn label_key(schema: &mut Schema) {
    shape(
        schema,
        1,
        317,
        r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    );
}

/// The value of a label.
pub(crate) fn label_value(schema: &mut Schema) {
    shape(schema, 0, 63, r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$");
}

/// An http or https URL without user, password and fragment.
pub(crate) fn url(schema: &mut Schema) {
    shape(schema, 1, 2048, r"^[hH][tT][tT][pP][sS]?://[^\x00-\x20/?#\\@\x7f]+([/?][^\x00-\x20#\\\x7f]*)?$");
}

/// A URI with a scheme, of any kind.
pub(crate) fn any_uri(schema: &mut Schema) {
    shape(schema, 1, 2048, r"^[A-Za-z][-A-Za-z0-9+.]*:[^\x00-\x20\x7f]+$");
}

/// A name or address with an optional port, as it goes into `Host`.
pub(crate) fn authority(schema: &mut Schema) {
    shape(schema, 1, 261, r"^[^\x00-\x20/?#\\@\x7f]+$");
}

/// A path with an optional query, as it goes into a request line.
pub(crate) fn request_path(schema: &mut Schema) {
    shape(schema, 1, 1024, r"^/[!$-;=@-_a-z|~]*(\?[!$-;=?-~]*)?$");
}

/// A path that is compared byte by byte: no escapes, no empty segment, no slash at the end.
pub(crate) fn exact_path(schema: &mut Schema) {
    shape(schema, 1, 1024, r"^/([-A-Za-z0-9._~!$&'()*+,;=:@]+(/[-A-Za-z0-9._~!$&'()*+,;=:@]+)*)?$");
}

/// The path of an API's operation with `{parameters}` in it.
pub(crate) fn path_template(schema: &mut Schema) {
    shape(schema, 1, 1024, r"^/[-A-Za-z0-9._~!$&'()*+,;=:@%/{}]*$");
}

/// A host name, or one with `*.` in front.
pub(crate) fn hostname_pattern(schema: &mut Schema) {
    shape(schema, 1, 253, r"^(\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$");
    rule("!isIP(self)", "must be a host name, not an IP address")(schema);
}

/// A host name.
pub(crate) fn hostname(schema: &mut Schema) {
    shape(schema, 1, 253, r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$");
    rule("!isIP(self)", "must be a host name, not an IP address")(schema);
}

/// A browser's origin, whose host may have `*.` in front.
pub(crate) fn origin(schema: &mut Schema) {
    shape(
        schema,
        1,
        270,
        concat!(
            r"^https?://((\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*|\[[0-9a-f:.]+\])",
            r"(:(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?$"
        ),
    );
    rule(
        "!(self.startsWith('https://') && self.endsWith(':443')) && !(self.startsWith('http://') && self.endsWith(':80'))",
        "browsers leave the scheme's own port out: leave it out here",
    )(schema);
}

/// A header's name.
pub(crate) fn header(schema: &mut Schema) {
    shape(schema, 1, 256, r"^[-A-Za-z0-9!#$%&'*+.^_`|~]+$");
}

/// A [`header`] that a user may give or pass on: none of those that the gateway or HTTP itself speaks with.
pub(crate) fn free_header(schema: &mut Schema) {
    header(schema);
    rule(
        concat!(
            "!self.lowerAscii().startsWith('mcp-') && !(self.lowerAscii() in ['accept', 'accept-encoding', 'connection', ",
            "'content-encoding', 'content-length', 'content-type', 'expect', 'host', 'keep-alive', 'last-event-id', ",
            "'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', ",
            "'upgrade'])"
        ),
        "this header is the gateway's own to set",
    )(schema);
}

/// What models see (MCP, "tool names").
pub(crate) fn mcp_name(schema: &mut Schema) {
    shape(schema, 1, 128, r"^[A-Za-z0-9_.-]+$");
}

/// In front of what models see.
pub(crate) fn prefix(schema: &mut Schema) {
    shape(schema, 0, 63, r"^[A-Za-z0-9_.-]*$");
}

/// A glob, or a name of a server's own: no control characters.
pub(crate) fn glob(schema: &mut Schema) {
    shape(schema, 1, 256, LINE);
}

/// A glob on URIs.
pub(crate) fn uri_glob(schema: &mut Schema) {
    shape(schema, 1, 2048, LINE);
}

/// A path with `*` and `**`.
pub(crate) fn path_glob(schema: &mut Schema) {
    shape(schema, 1, 1024, r"^/[^\x00-\x20\x7f]*$");
}

/// Any text on one line.
pub(crate) fn line(schema: &mut Schema) {
    shape(schema, 1, 512, LINE);
}

/// A title that people see.
pub(crate) fn title(schema: &mut Schema) {
    shape(schema, 0, 256, LINE);
}

const LINE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";
const PROSE: &str = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$";

/// What a model reads about one tool.
pub(crate) fn description(schema: &mut Schema) {
    shape(schema, 0, 4096, PROSE);
}

/// What a model reads before its first call.
pub(crate) fn instructions(schema: &mut Schema) {
    shape(schema, 0, 16_384, PROSE);
}

/// An OAuth scope (RFC 6749 section 3.3).
pub(crate) fn scope(schema: &mut Schema) {
    shape(schema, 1, 256, r"^[\x21\x23-\x5b\x5d-\x7e]+$");
}

/// A claim's name, or a JSON Pointer to it.
pub(crate) fn claim(schema: &mut Schema) {
    shape(schema, 1, 256, LINE);
}

/// A JSON Pointer (RFC 6901) below the root.
pub(crate) fn pointer(schema: &mut Schema) {
    shape(schema, 1, 256, r"^(/([^\x00-\x1f~/\x7f]|~[01])*)+$");
}

/// A JSONPath (RFC 9535).
pub(crate) fn json_path(schema: &mut Schema) {
    shape(schema, 1, 1024, r"^\$[^\x00-\x1f\x7f]*$");
}

/// An asymmetric algorithm (RFC 7518, RFC 8037).
pub(crate) fn algorithm(schema: &mut Schema) {
    let words = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
    schema.insert("enum".into(), words.as_slice().into());
}

/// A method of HTTP that an API's operation may have.
pub(crate) fn http_method(schema: &mut Schema) {
    let words = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    schema.insert("enum".into(), words.as_slice().into());
}

/// A SPIFFE trust domain.
pub(crate) fn trust_domain(schema: &mut Schema) {
    shape(schema, 1, 255, r"^[a-z0-9._-]+$");
}

/// A SPIFFE id, or a glob of it.
pub(crate) fn spiffe_id(schema: &mut Schema) {
    shape(schema, 1, 2048, r"^spiffe://[a-z0-9._*-]+(/[-A-Za-z0-9._*]+)*$");
}

/// `NAMESPACE/NAME`.
pub(crate) fn service_account(schema: &mut Schema) {
    shape(
        schema,
        3,
        317,
        r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    );
}

/// An MCP method.
pub(crate) fn method(schema: &mut Schema) {
    shape(schema, 1, 128, r"^[A-Za-z0-9_./*-]+$");
}

/// A CEL expression.
pub(crate) fn cel(schema: &mut Schema) {
    shape(schema, 1, 4096, "");
}

/// A regular expression.
pub(crate) fn regex(schema: &mut Schema) {
    shape(schema, 1, 1024, "");
}

/// A short text to put in.
pub(crate) fn replacement(schema: &mut Schema) {
    shape(schema, 0, 256, PROSE);
}

/// A value that goes into a request.
pub(crate) fn request_value(schema: &mut Schema) {
    shape(schema, 0, 4096, LINE);
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256(schema: &mut Schema) {
    shape(schema, 64, 64, "^[0-9a-f]+$");
}

/// A whole OpenAPI document.
pub(crate) fn document(schema: &mut Schema) {
    shape(schema, 1, 131_072, "");
}

/// A sentence in a status.
pub(crate) fn message(schema: &mut Schema) {
    shape(schema, 0, 32_768, "");
}

/// A shorter one, of which there may be many.
pub(crate) fn sentence(schema: &mut Schema) {
    shape(schema, 0, 1024, "");
}

/// Method and path of an API's operation.
pub(crate) fn operation(schema: &mut Schema) {
    shape(schema, 1, 1100, "");
}

/// RFC 3339.
pub(crate) fn time(schema: &mut Schema) {
    shape(schema, 20, 40, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})$");
}

/// A CamelCase word in a status, as metav1.Condition has it.
pub(crate) fn reason(schema: &mut Schema) {
    shape(schema, 1, 1024, r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$");
}

/// The type of a condition.
pub(crate) fn condition_type(schema: &mut Schema) {
    shape(schema, 1, 316, r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$");
}

/// A name that a server gave itself; cut, never refused.
pub(crate) fn found(schema: &mut Schema) {
    shape(schema, 0, FOUND_CHARACTERS, "");
}

/// A controller, as Gateway API writes it.
pub(crate) fn controller(schema: &mut Schema) {
    shape(
        schema,
        1,
        253,
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9/._~%!$&'()*+,;=:-]+$",
    );
}
