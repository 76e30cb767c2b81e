//! Event ids of call streams: the backend's own, behind a mark that says whose it is. Pure.
//!
//! A call stream has one backend, so its id passes with the mark, and a resume goes to that backend, which replays. The
//! mark is the backend's key in hex and a dot; it needs no seal, since an id is only ever used inside its own session.

use ringway_snapshot::BackendKey;

/// The backend's id as the client sees it.
pub(super) fn mark(backend: BackendKey, id: &[u8]) -> Vec<u8> {
    let mut out = format!("{:016x}.", backend.0).into_bytes();
    out.extend_from_slice(id);
    out
}

/// The backend and its own id behind a marked one.
pub(super) fn unmark(id: &[u8]) -> Option<(BackendKey, &[u8])> {
    let (key, rest) = id.split_at_checked(16)?;
    let own = rest.strip_prefix(b".")?;
    let key = u64::from_str_radix(std::str::from_utf8(key).ok()?, 16).ok()?;
    Some((BackendKey(key), own))
}

#[cfg(test)]
mod tests {
    use super::{mark, unmark};
    use ringway_snapshot::BackendKey;

    #[test]
    fn a_mark_comes_off_again_and_foreign_ids_have_none() {
        let marked = mark(BackendKey(0xab), b"s7_0.x");
        assert_eq!(unmark(&marked), Some((BackendKey(0xab), b"s7_0.x".as_slice())));
        for id in [b"".as_slice(), b"7", b"zzzzzzzzzzzzzzzz.1", b"00000000000000ab-1"] {
            assert_eq!(unmark(id), None);
        }
    }
}
