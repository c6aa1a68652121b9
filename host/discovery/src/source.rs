//! [`Discovery`]: the trait behind which the sources of peers stand.

use std::fmt;

use futures::future::BoxFuture;
use tokio::sync::watch;

use super::{Claim, ClusterEvent, MemberState, PeerSet, Verdict};

/// Who the peers are, as one source knows it.
///
/// A source that is away changes nothing for a cluster that runs: the peers stay those that it knew last, and what it is
/// told waits or is dropped. Nothing of it may ever decide who leads.
pub trait Discovery: fmt::Debug + Send + Sync + 'static {
    /// The peers known at the moment, and their changes. Asking costs no waiting.
    fn peers(&self) -> watch::Receiver<PeerSet>;

    /// Asks to be the process that forms a new cluster. Asked again and again, one time after the other, by a process that has
    /// looked at all [`PeerSet::present`] since the last time, and found no member of any cluster.
    ///
    /// At most one process among those that ask may be told [`Verdict::Form`] while a cluster that was formed before, or is
    /// being formed, may still have a member. The source relies on the process's [`Pledge`](super::Pledge) for that: while it is
    /// given, the process answers no peer that it belongs to no cluster.
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Verdict>;

    /// Whether [`claim`](Self::claim) may ever be answered with [`Verdict::Form`]. Processes that may form clusters can form
    /// two, so each looks out for another cluster than its own.
    fn may_form(&self) -> bool {
        true
    }

    /// The name of the machine on which this process runs, where the source knows it.
    fn machine(&self) -> Option<String> {
        None
    }

    /// Says what this process is in its cluster; `None` while it is no node of one. Never waits: only the last word counts,
    /// and the source passes it on when it can.
    fn announce(&self, member: Option<MemberState>);

    /// Says what has happened to the cluster, for people to read. Never waits, and may be dropped.
    fn notify(&self, notice: ClusterEvent);

    /// Passes on what is still to be passed on before the process ends. The caller bounds how long it may take.
    fn close(&self) -> BoxFuture<'_, ()>;
}
