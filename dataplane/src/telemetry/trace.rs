//! W3C trace context: reads a caller's `traceparent`, makes our ids, writes the one that goes upstream.
//!
//! Decides nothing about trust or sampling: the flag is the caller's until the record has asked the sampler.
//! Source: W3C Trace Context level 2, section 3.2; MCP SEP-414 (`_meta` keys).

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Length of a version 00 `traceparent`.
pub const TRACEPARENT: usize = 55;

/// Where a message stands in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    pub trace_id: u128,
    /// Our span for this message.
    pub span_id: u64,
    /// The caller's span, if it sent one.
    pub parent: Option<u64>,
    /// The *sampled* flag: the caller's, then the sampler's.
    pub sampled: bool,
}

// === impl TraceContext ===

impl TraceContext {
    /// A trace that starts here.
    #[must_use]
    pub fn root() -> Self {
        let trace_id = (u128::from(new_id()) << 64) | u128::from(new_id());
        Self { trace_id, span_id: new_id(), parent: None, sampled: false }
    }

    /// Our own span below the span that `traceparent` names; `None`: not a valid one.
    #[must_use]
    pub fn below(traceparent: &[u8]) -> Option<Self> {
        let (head, rest) = traceparent.split_at_checked(TRACEPARENT)?;
        let &[v0, v1, b'-', .., b'-', f0, f1] = head else { return None };
        let version = (hex(v0)? << 4) | hex(v1)?;
        // A later version may append fields after another dash; 00 may not; ff is forbidden.
        if version == 0xff || (version == 0 && !rest.is_empty()) || !(rest.is_empty() || rest.starts_with(b"-")) {
            return None;
        }
        let trace_id = number(head.get(3..35)?)?;
        let parent = u64::try_from(number(head.get(36..52)?)?).ok()?;
        if head.get(35) != Some(&b'-') || trace_id == 0 || parent == 0 {
            return None;
        }
        let flags = (hex(f0)? << 4) | hex(f1)?;
        Some(Self { trace_id, span_id: new_id(), parent: Some(parent), sampled: flags & 1 == 1 })
    }

    /// The `traceparent` that names `span_id` of this trace as the parent of what follows.
    #[must_use]
    pub fn traceparent(&self, span_id: u64) -> [u8; TRACEPARENT] {
        let mut out = [b'-'; TRACEPARENT];
        let flags: u128 = self.sampled.into();
        for (range, value) in [(0..2, 0), (3..35, self.trace_id), (36..52, span_id.into()), (53..55, flags)] {
            if let Some(field) = out.get_mut(range) {
                write_hex(field, value);
            }
        }
        out
    }
}

/// A new span id, or half of a trace id: distinct within the process, never zero, told from other processes by a random
/// start. A counter of its own per thread, mixed (splitmix64), since a shared one would bounce between cores.
pub fn new_id() -> u64 {
    thread_local! {
        static NEXT: Cell<u64> = Cell::new(RandomState::new().build_hasher().finish());
    }
    loop {
        let mut z = NEXT.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        NEXT.set(z);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        if z != 0 {
            return z;
        }
    }
}

/// Fills `field` with the low digits of `value` in lower-case hexadecimal.
pub(super) fn write_hex(field: &mut [u8], mut value: u128) {
    for digit in field.iter_mut().rev() {
        let nibble = (value & 0xf) as u8;
        *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        value >>= 4;
    }
}

fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |sum, &digit| Some((sum << 4) | u128::from(hex(digit)?)))
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn reads_the_example_of_the_specification() {
        let context = TraceContext::below(GOOD).unwrap();
        assert_eq!(context.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(context.parent, Some(0x00f0_67aa_0ba9_02b7));
        assert!(context.sampled);
        assert_eq!(context.traceparent(0x00f0_67aa_0ba9_02b7), GOOD);
    }

    #[test]
    fn refuses_what_the_specification_forbids() {
        for bad in [
            &b""[..],
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            b"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
            b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            b"00-4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b7--01",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::below(bad), None, "{}", String::from_utf8_lossy(bad));
        }
        assert!(TraceContext::below(b"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more").is_some());
    }

    #[test]
    fn ids_are_distinct_over_threads() {
        let ids = || (0..10_000).map(|_| new_id()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(ids)).collect();
        let all: std::collections::HashSet<u64> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
        assert_eq!(all.len(), 40_000);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = TraceContext::below(&bytes);
        }

        #[test]
        fn what_we_write_reads_back(trace_id in 1u128.., span in 1u64.., sampled: bool) {
            let context = TraceContext { trace_id, span_id: span, parent: None, sampled };
            let read = TraceContext::below(&context.traceparent(span)).unwrap();
            prop_assert_eq!((read.trace_id, read.parent, read.sampled), (trace_id, Some(span), sampled));
        }
    }
}
