//! What the catalogue may hold and how long it waits: every number with a name. Made by `app`, obeyed by all of `catalog`.

use std::time::Duration;

/// Limits and times of the catalogue. Tests make the times short.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `list.pages`: pages of one list of one backend.
    pub pages: usize,
    /// `list.items`: items of one list of one backend.
    pub items: usize,
    /// `list.bytes`: raw bytes of one list of one backend.
    pub bytes: usize,
    /// `list.merged`: items of one merged list.
    pub merged_items: usize,
    /// `list.page_bytes`: a page for the client ends when it would grow over this; one larger item is a page of its own.
    pub page_bytes: usize,
    /// `catalog.bytes`: merged pages of all routes and viewers; the least recently used are dropped and made again on demand.
    pub budget: usize,
    /// `catalog.viewers`: viewers at a time; one more replaces the least recently used if that was unused for
    /// [`Self::viewer_rest`], else it is refused.
    pub viewers: usize,
    pub viewer_rest: Duration,
    /// `tool.description`, in bytes.
    pub description: usize,
    /// `tool.schema`, in bytes, each of input and output.
    pub schema: usize,
    /// `list.deadline`: per backend, from the connection's begin to the last page; also the longest wait of a client's list.
    pub deadline: Duration,
    /// `list_changed` notices of one backend are answered by one fresh read per this time; so are notices to clients.
    pub coalesce: Duration,
    /// A legacy list without a watch is stale after this.
    pub legacy_ttl: Duration,
    /// A modern list is stale after its `ttlMs`, but not sooner than this.
    pub ttl_floor: Duration,
    /// Wait before the first and the longest wait between attempts to reach a backend that failed.
    pub backoff: (Duration, Duration),
    /// A backend of another era is asked again after this.
    pub era_horizon: Duration,
    /// How long the first read waits for the head of the GET stream, so that no change falls between the two.
    pub watch_head: Duration,
    /// A viewer unused for this long is dropped with its connections.
    pub idle: Duration,
    /// Least time between two walks over all resources that unknown URIs cause, per route and viewer.
    pub walk_rest: Duration,
    /// URIs learned from walks.
    pub learned_uris: usize,
    /// Backends of one list asked at the same time.
    pub parallel: usize,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            pages: 64,
            items: 10_000,
            bytes: 16 << 20,
            merged_items: 50_000,
            page_bytes: 4 << 20,
            budget: 64 << 20,
            viewers: 64,
            viewer_rest: Duration::from_secs(10),
            description: 16 << 10,
            schema: 256 << 10,
            deadline: Duration::from_secs(5),
            coalesce: Duration::from_secs(1),
            legacy_ttl: Duration::from_secs(60),
            ttl_floor: Duration::from_secs(5),
            backoff: (Duration::from_secs(1), Duration::from_secs(30)),
            era_horizon: Duration::from_secs(300),
            watch_head: Duration::from_millis(250),
            idle: Duration::from_secs(600),
            walk_rest: Duration::from_secs(10),
            learned_uris: 10_000,
            parallel: 16,
        }
    }
}
