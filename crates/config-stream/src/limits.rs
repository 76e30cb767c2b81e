//! Every bound of the stream, by name. Both ends hold to them; a peer that does not is cut off.

use std::time::Duration;

/// Resources of one part, unless a single one is larger. A replica holds a few parts for each pod that it sends to at a
/// time, so that 200 pods from nothing are some 100 MiB.
pub const PART_BYTES: usize = 128 << 10;
/// Body and secrets of one resource. The API server stores at most 1.5 MiB an object; a Service's endpoints and the
/// Secrets that an object names come on top.
pub const RESOURCE_BYTES: usize = 16 << 20;
/// A message of a replica: a resource of full size and what stands around it.
pub const UPDATE_MESSAGE_BYTES: usize = RESOURCE_BYTES + (1 << 20);
/// A message of a pod or a relay. The hello of a pod with 100,000 objects of usual names has 6 MiB.
pub const POD_MESSAGE_BYTES: usize = 8 << 20;
/// Resources that a pod serves.
pub const RESOURCES: usize = 100_000;
/// All of one update.
pub const UPDATE_BYTES: usize = 512 << 20;
/// Parts of one update: full ones hold [`UPDATE_BYTES`]; each but the last has more than half of [`PART_BYTES`], or a
/// resource that did not fit beside it.
pub const PARTS: usize = 2 * (UPDATE_BYTES / PART_BYTES) + 2;
/// Secrets of one resource: a listener has one for each certificate.
pub const SECRETS: usize = 1_024;
/// `namespace/gateway/listener`, each at most 253 characters.
pub const NAME_BYTES: usize = 3 * 253 + 2;
/// Namespaces of Secrets and of ConfigMaps that a replica watches; each has a cursor of its own, in every position.
pub const NARROW_CURSORS: usize = 500;
/// Cursors in a position: those, and one for each other kind of source object.
pub const CURSORS: usize = NARROW_CURSORS + 12;
/// Rejections that travel; of more it is only said that there are.
pub const REJECTIONS: usize = 1_000;
/// A sentence of a rejection or of a failed backend.
pub const SENTENCE_BYTES: usize = 1_024;
/// Any other text of a pod: a server's name, a reason, a node.
pub const TEXT_BYTES: usize = 256;
/// Protocol versions of a backend, clashes of a route.
pub const LIST_LENGTH: usize = 16;
/// Backends, and routes, that a pod says something of.
pub const FACTS: usize = RESOURCES;
/// Backends and routes in one message of facts.
pub const FACTS_PER_MESSAGE: usize = 1_000;
/// A pod that is offered an older state holds what it has for this long: then an etcd was restored, and what is older
/// by number is newer in truth.
pub const HOLD: Duration = Duration::from_secs(60);
