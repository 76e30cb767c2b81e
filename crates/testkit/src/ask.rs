//! Requests as they are written: every field and byte is the test's to choose.

/// One request. Made with what a well-behaved client sends; then bent as the test needs it.
#[derive(Debug, Clone)]
pub struct Ask {
    verb: String,
    path: String,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    /// Body sizes of the chunks; `None`: with a length.
    chunks: Option<usize>,
}

// === impl Ask ===

impl Ask {
    /// A message for an MCP endpoint.
    #[must_use]
    pub fn post(path: &str, body: impl AsRef<[u8]>) -> Self {
        Self::new("POST", path)
            .with("Accept", "application/json, text/event-stream")
            .with("Content-Type", "application/json")
            .body(body)
    }

    /// Opens a session's stream.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new("GET", path).with("Accept", "text/event-stream")
    }

    /// Any other request.
    #[must_use]
    pub fn new(verb: &str, path: &str) -> Self {
        let fields = vec![("Host".to_owned(), b"localhost".to_vec())];
        Self { verb: verb.to_owned(), path: path.to_owned(), fields, body: Vec::new(), chunks: None }
    }

    /// One more field, also when there is one of that name.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// The field, in place of what stood there.
    #[must_use]
    pub fn set(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).with(name, value)
    }

    /// Without the field.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }

    /// Another body.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// In chunks of this size, with no length announced.
    #[must_use]
    pub fn chunked(mut self, size: usize) -> Self {
        self.chunks = Some(size.max(1));
        self
    }

    /// The HTTP method, for a client that does not write HTTP/1.1.
    #[must_use]
    pub fn verb(&self) -> &str {
        &self.verb
    }

    /// Path and query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The fields in order, `Host` too.
    #[must_use]
    pub fn fields(&self) -> &[(String, Vec<u8>)] {
        &self.fields
    }

    /// The body alone.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.body
    }

    /// The head and the body, as they go out.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.verb, self.path).into_bytes();
        for (name, value) in &self.fields {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        let own_length = self.fields.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-length"));
        match self.chunks {
            Some(size) => {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in self.body.chunks(size) {
                    out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    out.extend_from_slice(chunk);
                    out.extend_from_slice(b"\r\n");
                }
                out.extend_from_slice(b"0\r\n\r\n");
            }
            None => {
                if !own_length && (!self.body.is_empty() || self.verb == "POST") {
                    out.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
                }
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(&self.body);
            }
        }
        out
    }
}
