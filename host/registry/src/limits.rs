//! Upper bounds of what is taken from a registry or another server, and put into a registry. All are in bytes but [`FILES`].

/// An image manifest: what registries take themselves.
pub(crate) const MANIFEST: u64 = 4 << 20;
/// A locked application.
pub(crate) const LOCKED_APPLICATION: u64 = 16 << 20;
/// One layer, as it is transferred, and likewise a file that a manifest names by URL.
pub(crate) const LAYER: u64 = 256 << 20;
/// Everything that an application consists of, and likewise what its archives unpack to.
pub(crate) const APPLICATION: u64 = 1 << 30;
/// Files of an application, and likewise entries of its archives.
pub(crate) const FILES: usize = 65_536;
/// Layers of an application that is pushed: the least that a known registry takes (Amazon's), as in Spin.
pub(crate) const LAYERS: usize = 500;
/// Content that is written into the locked application instead of a layer, as in Spin: some registries do not take the
/// smallest blobs.
pub(crate) const INLINE: usize = 128;
/// What a registry may say about a failure.
pub(crate) const FAILURE: u64 = 64 << 10;
/// What a token service may answer: tokens have some kilobytes at most, since they must fit into a header field.
pub(crate) const TOKEN: u64 = 64 << 10;
