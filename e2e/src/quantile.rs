//! Quantiles of what was measured; called by the benchmarks.

/// The value below which `part` of them lie, from 0 to 1; of none, nothing.
#[must_use]
pub fn quantile<T: Copy>(sorted: &[T], part: f64) -> Option<T> {
    let index = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied()
}
