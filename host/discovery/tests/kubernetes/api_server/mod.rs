//! A stand-in for the Kubernetes API server, as far as a pod uses one: it keeps objects with their resource versions, orders
//! writes by them, and streams changes to watches. What can go wrong with a real one, a test makes go wrong here.
//!
//! It does not validate objects, and it has no controllers: a test makes the pods, moves them along and deletes them.
//!
//! | file | subject |
//! | --- | --- |
//! | [`server`] | [`ApiServer`]: the stand-in, over HTTPS or within the process |
//! | [`https`] | its listener, its certificates, and the service account of a pod |
//! | [`request`] | which object a request is about, and the verb, in the words of a Role |
//! | [`answering`] | the order in which a request is checked and answered |
//! | [`objects`] | the objects, their versions and their history |
//! | [`merge`] | merge patches |
//! | [`selector`] | label selectors |
//! | [`watching`] | watches |
//! | [`problem`] | errors, as a `Status` |
//! | [`faults`] | what goes wrong |
//! | [`workload`] | a Deployment and its pods |

mod answering;
mod faults;
mod https;
mod merge;
mod objects;
mod problem;
mod request;
mod selector;
mod server;
mod watching;
mod workload;

pub use faults::{Fault, Mishaps};
pub use https::Served;
pub use request::Call;
pub use server::{ApiServer, NAMESPACE};
pub use workload::{Containers, DEPLOYMENT};
