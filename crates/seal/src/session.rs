//! Session ids: what survives the loss of every pod.
//!
//! ```text
//! cell "." sealed(key 16 ‖ expiry ‖ revision ‖ capabilities 2 ‖ client name ‖ client version ‖ n ‖ bindings)
//! ```
//!
//! The id cannot change after `initialize`, so it holds only what is known then. Does not know of later bindings or of
//! deleted sessions. Called by the data plane: sealed once at `initialize`, opened when a connection first uses it.

mod upstream_id;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::envelope;
use crate::keyring::{Keyring, Purpose};
use crate::wire::{self, Reader};
use crate::{Bound, NotAuthentic, SealError};
use upstream_id::Form;

/// Longest session id, in characters: what proxies and clients let through in a header without complaint.
pub const MAX_SESSION_ID: usize = 512;

/// The cell (one set of pods that share keys and ring), in clear before the sealed part so that a load balancer in
/// front of several cells can route by it. Sealed in as associated data, too. There is one cell so far.
pub const CELL: &str = "0";

/// What a session id says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionToken {
    /// Names the session in records, tombstones and logs; random but for the slot in its top 16 bits.
    pub key: [u8; 16],
    /// End of life in Unix seconds; not valid at that second or later.
    pub expires_at: u64,
    /// Code of the protocol revision agreed with the client.
    pub revision: u8,
    /// Bits of the client's capabilities.
    pub capabilities: u16,
    /// `clientInfo.name`, cut.
    pub client_name: Label<32>,
    /// `clientInfo.version`, cut.
    pub client_version: Label<16>,
    /// Backends bound during `initialize`.
    pub bindings: Vec<Binding>,
}

/// One backend's part of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Hash of the backend's `namespace/name`: a position would mean another backend after a change of the route.
    pub backend: u64,
    /// The session id that the backend gave; `None` from one that keeps no sessions.
    pub upstream_session: Option<String>,
    /// Code of the protocol revision agreed with the backend.
    pub revision: u8,
    /// Where the backend's session lives, if it is pinned. An IPv6 flow label or scope id is not kept.
    pub endpoint: Option<SocketAddr>,
    /// Bits of the backend's capabilities.
    pub server_capabilities: u8,
}

/// Text of at most `N` bytes, cut at a character. Cut when made, not when sealed: policy must see the same text on the
/// pod that sealed it as on the pods that open it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Label<const N: usize>(Box<str>);

// === impl Keyring ===

impl Keyring {
    /// Makes the session id for `token`, at most [`MAX_SESSION_ID`] characters of visible ASCII.
    ///
    /// # Errors
    /// [`SealError::TooLong`] when there are too many bindings or an upstream session id is too long.
    pub fn seal_session(&self, token: &SessionToken, bound: Bound<'_>) -> Result<String, SealError> {
        let content = token.to_plaintext();
        let length = CELL.len() + 1 + envelope::sealed_len(content.len());
        if length > MAX_SESSION_ID {
            return Err(SealError::TooLong { length, limit: MAX_SESSION_ID });
        }
        let sealed = self.seal(Purpose::Session, &context(&bound), &content)?;
        Ok(format!("{CELL}.{sealed}"))
    }

    /// Reads a session id that a client sent, as of `now` in Unix seconds. `text` may be anything.
    ///
    /// # Errors
    /// [`NotAuthentic`], also for one that has expired.
    pub fn open_session(&self, text: &str, bound: Bound<'_>, now: u64) -> Result<SessionToken, NotAuthentic> {
        if text.len() > MAX_SESSION_ID {
            return Err(NotAuthentic);
        }
        let sealed = text.strip_prefix(CELL).and_then(|rest| rest.strip_prefix('.')).ok_or(NotAuthentic)?;
        let content = self.open(Purpose::Session, &context(&bound), sealed)?;
        let token = SessionToken::from_plaintext(&content)?;
        if now >= token.expires_at {
            return Err(NotAuthentic);
        }
        Ok(token)
    }
}

fn context<'a>(bound: &Bound<'a>) -> [&'a str; 3] {
    [CELL, bound.route, bound.principal]
}

// === impl SessionToken ===

impl SessionToken {
    /// The ring slot: the top 16 bits of the key.
    #[must_use]
    pub const fn slot(&self) -> u16 {
        u16::from_be_bytes([self.key[0], self.key[1]])
    }

    /// The packed content, before sealing. Public for fuzzing; nobody else needs it.
    #[doc(hidden)]
    #[must_use]
    pub fn to_plaintext(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        out.extend_from_slice(&self.key);
        wire::put_varint(&mut out, self.expires_at);
        out.push(self.revision);
        out.extend_from_slice(&self.capabilities.to_be_bytes());
        wire::put_text(&mut out, self.client_name.as_str());
        wire::put_text(&mut out, self.client_version.as_str());
        wire::put_varint(&mut out, self.bindings.len() as u64);
        for binding in &self.bindings {
            binding.write(&mut out);
        }
        out
    }

    /// Reads packed content. Public for fuzzing: **authenticates nothing**, use [`Keyring::open_session`].
    ///
    /// # Errors
    /// [`NotAuthentic`] for anything that [`Self::to_plaintext`] of some version did not make.
    #[doc(hidden)]
    pub fn from_plaintext(content: &[u8]) -> Result<Self, NotAuthentic> {
        let mut reader = Reader::new(content);
        let token = Self::read(&mut reader).ok_or(NotAuthentic)?;
        if reader.is_empty() { Ok(token) } else { Err(NotAuthentic) }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let key = reader.array()?;
        let expires_at = reader.varint()?;
        let revision = reader.byte()?;
        let capabilities = u16::from_be_bytes(reader.array()?);
        let client_name = Label::exact(reader.text()?)?;
        let client_version = Label::exact(reader.text()?)?;
        let count = reader.varint()?;
        // Collecting reserves nothing for a `count` that the content does not bear out.
        let bindings = (0..count).map(|_| Binding::read(reader)).collect::<Option<_>>()?;
        Some(Self { key, expires_at, revision, capabilities, client_name, client_version, bindings })
    }
}

// === impl Binding ===

/// Bits 2 and 3 of a binding's form byte; bits 0 and 1 are the form of the upstream id, the others are zero.
const ENDPOINT_V4: u8 = 1 << 2;
const ENDPOINT_V6: u8 = 2 << 2;
const ENDPOINT_MASK: u8 = 3 << 2;

impl Binding {
    fn write(&self, out: &mut Vec<u8>) {
        let form = self.upstream_session.as_deref().map_or(Form::None, Form::of);
        let endpoint = match self.endpoint {
            None => 0,
            Some(SocketAddr::V4(_)) => ENDPOINT_V4,
            Some(SocketAddr::V6(_)) => ENDPOINT_V6,
        };
        out.extend_from_slice(&self.backend.to_be_bytes());
        out.push(form.code() | endpoint);
        form.write(out);
        out.push(self.revision);
        match self.endpoint.map(|address| (address.ip(), address.port())) {
            None => {}
            Some((IpAddr::V4(ip), port)) => {
                out.extend_from_slice(&ip.octets());
                out.extend_from_slice(&port.to_be_bytes());
            }
            Some((IpAddr::V6(ip), port)) => {
                out.extend_from_slice(&ip.octets());
                out.extend_from_slice(&port.to_be_bytes());
            }
        }
        out.push(self.server_capabilities);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let backend = u64::from_be_bytes(reader.array()?);
        let form = reader.byte()?;
        let upstream_session = upstream_id::read(form & !ENDPOINT_MASK, reader)?;
        let revision = reader.byte()?;
        let endpoint = match form & ENDPOINT_MASK {
            0 => None,
            ENDPOINT_V4 => Some(endpoint(Ipv4Addr::from(reader.array::<4>()?), reader)?),
            ENDPOINT_V6 => Some(endpoint(Ipv6Addr::from(reader.array::<16>()?), reader)?),
            _ => return None,
        };
        let server_capabilities = reader.byte()?;
        Some(Self { backend, upstream_session, revision, endpoint, server_capabilities })
    }
}

fn endpoint(ip: impl Into<IpAddr>, reader: &mut Reader<'_>) -> Option<SocketAddr> {
    Some(SocketAddr::new(ip.into(), u16::from_be_bytes(reader.array()?)))
}

// === impl Label ===

impl<const N: usize> Label<N> {
    /// The longest start of `text` that ends between characters and has at most `N` bytes.
    #[must_use]
    pub fn cut(text: &str) -> Self {
        let (kept, _) = text.split_at(text.floor_char_boundary(N));
        Self(kept.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn exact(text: &str) -> Option<Self> {
        (text.len() <= N).then(|| Self(text.into()))
    }
}
