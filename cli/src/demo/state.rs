//! The `requestState` of the modern server: what it hands out and takes back, so that it need not remember.
//!
//! A client could write anything into it, hence the MAC over tool and expiry. There is no principal to bind: the demo
//! serves one local user.

use std::io;
use std::time::Duration;

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How long a person may think.
pub(super) const THINKING_TIME: Duration = Duration::from_secs(600);
const EXPIRY: usize = 8;

/// Signs states for the life of this process.
#[derive(Debug)]
pub(super) struct Sealer {
    key: Key,
}

// === impl Sealer ===

impl Sealer {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { key: Key::new(HMAC_SHA256, &random::<32>()?) })
    }

    /// A state for a call of `tool`, good until `expires` (Unix seconds).
    pub(super) fn seal(&self, tool: &str, expires: u64) -> String {
        let tag = hmac::sign(&self.key, &signed(tool, expires));
        URL_SAFE_NO_PAD.encode([&expires.to_be_bytes()[..], tag.as_ref()].concat())
    }

    /// Is this a state of ours for `tool`, still good at `now`?
    pub(super) fn verify(&self, tool: &str, state: &str, now: u64) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(state) else { return false };
        let Some((expires, tag)) = bytes.split_first_chunk::<EXPIRY>() else { return false };
        let expires = u64::from_be_bytes(*expires);
        hmac::verify(&self.key, &signed(tool, expires), tag).is_ok() && now < expires
    }
}

fn signed(tool: &str, expires: u64) -> Vec<u8> {
    [&expires.to_be_bytes()[..], tool.as_bytes()].concat()
}

/// Bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_untouched_state_in_time_for_its_tool_is_good() {
        let (ours, other) = (Sealer::new().unwrap(), Sealer::new().unwrap());
        let state = ours.seal("ask_name", 100);
        assert!(ours.verify("ask_name", &state, 99));
        assert!(!ours.verify("ask_name", &state, 100), "expired");
        assert!(!ours.verify("add", &state, 99), "another tool");
        assert!(!other.verify("ask_name", &state, 99), "another key");
        let bytes = URL_SAFE_NO_PAD.decode(&state).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(!ours.verify("ask_name", &URL_SAFE_NO_PAD.encode(changed), 99), "byte {at}");
        }
        assert!(!ours.verify("ask_name", "", 99) && !ours.verify("ask_name", "?", 99));
    }
}
