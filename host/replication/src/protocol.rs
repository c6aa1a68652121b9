//! The peers' protocol, as generated from `proto/peer.proto`.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

tonic::include_proto!("spindrift.peer.v1");
