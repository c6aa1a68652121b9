//! Values that flags, environment variables and the runtime configuration share.
//!
//! A value reads the same wherever a user writes it: `64MiB` is a size on the command line and in a file. Each parser
//! returns a sentence that says what is wrong with the text; the caller adds where the text stands.
//!
//! | file | subject |
//! | --- | --- |
//! | `byte_size` | [`ByteSize`]: a number of bytes, with or without a unit |
//! | `duration` | [`duration::parse`]: a time, with or without a unit |
//! | `range` | [`Range`]: one value, or bounds between which each draw lies |
//! | `boolean` | [`boolean::parse`]: yes or no |

#![warn(unreachable_pub)]

pub mod boolean;
mod byte_size;
pub mod duration;
mod range;

pub use byte_size::ByteSize;
pub use range::Range;
