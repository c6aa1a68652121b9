//! That two processes speak a version of the protocol that both know: each call names the range of the caller, and each answer
//! that of the process that answers.

use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::metadata;
use crate::versions::Versions;

/// The most that is repeated of what the other side says of itself, in bytes.
const MAX_REPEATED_BYTES: usize = 32;

/// This program's version.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// What a process says of itself with each call and each answer, and what it takes from others.
#[derive(Clone, Copy, Debug)]
pub struct Spoken(pub Versions);

impl Spoken {
    /// Says which versions this process speaks, and which program it runs.
    pub fn sign(self, signed: &mut MetadataMap) {
        if let Ok(range) = AsciiMetadataValue::try_from(self.0.to_header()) {
            signed.insert(metadata::PROTOCOL, range);
        }
        signed.insert(metadata::PROGRAM, AsciiMetadataValue::from_static(PROGRAM));
    }

    /// The versions that the caller speaks, of which this process speaks one.
    ///
    /// # Errors
    ///
    /// The call does not say them, or they have none in common with those of this process.
    pub fn check_call(self, call: &MetadataMap) -> Result<Versions, Status> {
        let own = self.0;
        let Some(said) = call.get(metadata::PROTOCOL) else {
            return Err(Status::failed_precondition(format!(
                "the call names no version of the peers' protocol ({}); this node, spindrift {PROGRAM}, speaks {own}",
                metadata::PROTOCOL
            )));
        };
        let Some(theirs) = said.to_str().ok().and_then(|said| said.parse().ok()) else {
            return Err(Status::failed_precondition(format!(
                "the call names {:?} as its versions of the peers' protocol, which is no range of versions such as 4-5; \
                 this node, spindrift {PROGRAM}, speaks {own}",
                repeated(said)
            )));
        };
        if own.in_common_with(theirs).is_some() {
            return Ok(theirs);
        }
        Err(Status::failed_precondition(format!(
            "this node, spindrift {PROGRAM}, speaks {own} of the peers' protocol, and the caller, {}, speaks {theirs}: {}",
            program(call),
            UPDATE
        )))
    }

    /// Checks that the process that has answered speaks a version that this one speaks. One that does not say so has not
    /// refused either.
    ///
    /// # Errors
    ///
    /// They have none in common, in words.
    pub fn check_answer(self, answer: &MetadataMap) -> Result<(), String> {
        let own = self.0;
        let said = answer.get(metadata::PROTOCOL);
        let said = said.and_then(|said| said.to_str().ok()?.parse::<Versions>().ok());
        match said {
            Some(theirs) if own.in_common_with(theirs).is_none() => Err(format!(
                "it, {}, speaks {theirs} of the peers' protocol, and this process, spindrift {PROGRAM}, speaks {own}: {}",
                program(answer),
                UPDATE
            )),
            _ => Ok(()),
        }
    }
}

/// What to do where two programs have no version in common.
const UPDATE: &str =
    "they have none in common; update by way of a release that speaks a version of each";

/// The program that the other side runs, as it says.
fn program(said: &MetadataMap) -> String {
    match said.get(metadata::PROGRAM) {
        Some(program) => format!("spindrift {}", repeated(program)),
        None => "a spindrift that does not say its own version".to_owned(),
    }
}

/// What comes from outside is repeated in bounds.
fn repeated(said: &AsciiMetadataValue) -> &str {
    let said = said.to_str().unwrap_or("?");
    said.get(..MAX_REPEATED_BYTES).unwrap_or(said)
}

impl Interceptor for Spoken {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        self.check_call(request.metadata())?;
        Ok(request)
    }
}
