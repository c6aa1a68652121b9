//! The Lease of the workload (`coordination.k8s.io/v1`), `spindrift-` and the workload's name.
//!
//! It records the one cluster that the workload's pods form, and names its leader for people. It decides nothing but who may
//! form a cluster: leaders are elected by the nodes, and a Lease that is late or cannot be reached changes nothing for them.
//!
//! | file | subject |
//! | --- | --- |
//! | `record` | [`Record`]: what the Lease says, how that is written in it, and for how long it has said so |
//! | `decision` | whether a claim may form a cluster, without asking anybody |
//! | `bootstrap` | [`Bootstrap`]: claims, and the argument why two never form clusters that both live |
//! | `leadership` | the leader's renewals, and how a recovered cluster takes the Lease of the one that it was recovered from |

mod bootstrap;
mod decision;
mod leadership;
mod record;

pub(crate) use bootstrap::Bootstrap;
pub(crate) use leadership::{Leadership, keep};
