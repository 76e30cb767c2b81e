//! Which traces are sampled: the samplers of the OpenTelemetry SDK specification, decided from ids and flags alone.

/// One of the specification's built-in samplers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampler {
    /// A caller's flag decides, where there is a caller.
    parent_based: bool,
    /// The lower 63 bits of a trace id are below this number.
    below: u64,
}

/// A ratio of one: no 63-bit number reaches it.
const ALL: u64 = 1 << 63;

// === impl Sampler ===

impl Sampler {
    /// `always_off`
    pub const NEVER: Self = Self { parent_based: false, below: 0 };
    /// `always_on`
    pub const ALWAYS: Self = Self { parent_based: false, below: ALL };

    /// `traceidratio`: this share of the traces, between 0 and 1.
    #[must_use]
    pub fn ratio(share: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "clamped to 0..=1, and a share needs no more than the 53 bits of an f64"
        )]
        let below = (share.clamp(0.0, 1.0) * ALL as f64) as u64;
        Self { parent_based: false, below }
    }

    /// `parentbased_*`: the caller's flag where there is a caller, `self` where a trace starts here.
    #[must_use]
    pub fn parent_based(self) -> Self {
        Self { parent_based: true, ..self }
    }

    /// `caller`: the flag of the caller's `traceparent`; `None`: the trace starts here.
    pub(super) fn samples(self, caller: Option<bool>, trace_id: u128) -> bool {
        match caller {
            Some(flag) if self.parent_based => flag,
            _ => {
                #[expect(clippy::cast_possible_truncation, reason = "the lower half is what the samplers look at")]
                let low = trace_id as u64;
                low >> 1 < self.below
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::trace::TraceContext;

    #[test]
    fn the_callers_flag_decides_only_where_it_may() {
        for (sampler, root, unsampled, sampled) in [
            (Sampler::ALWAYS, true, true, true),
            (Sampler::NEVER, false, false, false),
            (Sampler::ALWAYS.parent_based(), true, false, true),
            (Sampler::NEVER.parent_based(), false, false, true),
            (Sampler::ratio(1.0), true, true, true),
            (Sampler::ratio(0.0), false, false, false),
        ] {
            let id = u128::MAX;
            let seen = [None, Some(false), Some(true)].map(|caller| sampler.samples(caller, id));
            assert_eq!(seen, [root, unsampled, sampled], "{sampler:?}");
        }
    }

    #[test]
    fn a_share_of_the_ids_is_sampled_and_always_the_same_ones() {
        let ids: Vec<u128> = (0..10_000).map(|_| TraceContext::root().trace_id).collect();
        let (tenth, half) = (Sampler::ratio(0.1), Sampler::ratio(0.5));
        let of = |sampler: Sampler| ids.iter().filter(|id| sampler.samples(None, **id)).count();
        assert!((800..1_200).contains(&of(tenth)), "{}", of(tenth));
        assert!((4_700..5_300).contains(&of(half)), "{}", of(half));
        assert!(ids.iter().all(|id| !tenth.samples(None, *id) || half.samples(None, *id)));
    }
}
