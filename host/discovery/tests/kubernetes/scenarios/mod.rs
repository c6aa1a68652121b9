//! The tests, by subject.

mod api_calls;
mod bootstrap;
mod events;
mod https;
mod leadership;
mod peers;
mod races;
mod recovery;
mod role_label;
mod start;
