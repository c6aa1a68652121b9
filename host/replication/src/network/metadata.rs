//! The metadata of calls: the protocol's versions, for which node of which cluster a call is meant, and where its caller is.

use tonic::Status;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

use crate::address;
use crate::types::{ClusterId, Identity};

/// Key of the versions of the protocol that the sender speaks.
pub const PROTOCOL: &str = "spindrift-protocol";
/// Key of the version of the sender's program.
pub const PROGRAM: &str = "spindrift-program";
/// Key of the cluster token.
pub const AUTHORIZATION: &str = "authorization";
/// Key of the cluster's id.
const CLUSTER: &str = "spindrift-cluster";
/// Key of the id of the node that is meant.
const TO: &str = "spindrift-to";
/// Key of the address at which the calling node is reached.
pub const FROM: &str = "spindrift-from";

/// Says for whom a call is meant.
pub fn insert_target(metadata: &mut MetadataMap, target: Identity) {
    if let Ok(cluster) = AsciiMetadataValue::try_from(target.cluster.to_string()) {
        metadata.insert(CLUSTER, cluster);
    }
    metadata.insert(TO, AsciiMetadataValue::from(target.node));
}

/// For whom a call is meant.
///
/// # Errors
///
/// It does not say so in a form that can be read.
pub fn target(metadata: &MetadataMap) -> Result<Identity, Status> {
    let text = |key| metadata.get(key).and_then(|value| value.to_str().ok());
    let digits =
        |text: &&str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let cluster = text(CLUSTER).filter(digits);
    let cluster = cluster.and_then(|cluster| u128::from_str_radix(cluster, 16).ok());
    let node = text(TO).and_then(|node| node.parse().ok());
    match (cluster, node) {
        (Some(cluster), Some(node)) => Ok(Identity {
            cluster: ClusterId(cluster),
            node,
        }),
        _ => Err(Status::invalid_argument(format!(
            "a call between nodes has to say for which node of which cluster it is meant ({CLUSTER}, {TO})"
        ))),
    }
}

/// Where the caller is reached; nothing if it does not say so in a form that can be used.
pub fn caller(metadata: &MetadataMap) -> Option<&str> {
    let from = metadata.get(FROM)?.to_str().ok()?;
    address::check(from).ok().map(|()| from)
}
