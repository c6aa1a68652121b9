//! [`ClusterToken`]: the secret that the nodes of a cluster share, and what is derived from it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use argon2::{Algorithm, Argon2, Params, Version};
use bytes::Bytes;
use thiserror::Error;

use super::stamp::Stamp;

/// The least secret that is worth having, in bytes.
const MIN_TOKEN_BYTES: usize = 16;

/// The longest secret, in bytes. A token of a service account of Kubernetes has room, which has up to some 1,500 bytes.
const MAX_TOKEN_BYTES: usize = 2048;

/// The most tokens that are in force at a time: the one that a node proves itself with, and one that it trusts beside it.
const MAX_TOKENS: usize = 2;

/// The most that is read of a token's file, in bytes: the tokens, and more space around them than anybody leaves.
const MAX_FILE_BYTES: u64 = 16 << 10;

/// The purpose of the derivation, and its version. All nodes derive the same, and have nothing but the token in common, so the
/// salt cannot be random. It keeps apart from this the values that are computed from the same token for another purpose.
const SALT: &[u8] = b"spindrift: authority of the peers, version 1";

/// The second of the two choices that RFC 9106, section 4, recommends: 64 MiB, three passes, four lanes.
///
/// The first one takes 2 GiB, and a pod has one. A token is meant to be random, and then nobody guesses it, however fast.
/// One that a person made up can be guessed: a stranger that connects is shown a certificate, and can try tokens against its
/// signature at home. This makes each try cost 64 MiB of memory and a tenth of a second, as it costs a node at its start.
const PARAMS: Params = match Params::new(64 << 10, 3, 4, Some(SEED_BYTES)) {
    Ok(params) => params,
    Err(_) => panic!("these parameters are possible"),
};

/// Bytes that are derived from a token: as many as an Ed25519 key begins with.
const SEED_BYTES: usize = 32;

/// What is wrong with a token. It does not show the token, which is a secret even so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidToken {
    /// It is too short or too long.
    #[error("{}it has {bytes} bytes, and must have {MIN_TOKEN_BYTES} to {MAX_TOKEN_BYTES}", place(*line))]
    Length {
        /// Its line, from 1, where there are several tokens.
        line: Option<usize>,
        /// How long it is.
        bytes: usize,
    },
    /// It has a character that is no printable one of ASCII.
    #[error(
        "{}its byte {byte} is not a letter, digit or sign of ASCII, and all have to be",
        place(*line)
    )]
    Character {
        /// Its line, from 1, where there are several tokens.
        line: Option<usize>,
        /// The place of the byte in its line, from 1.
        byte: usize,
    },
    /// There are more than two.
    #[error(
        "it has {0} lines with a token each, and may have {MAX_TOKENS}: first the one that this node proves itself with, then \
         one that it trusts as well, while one takes the place of the other"
    )]
    TooMany(usize),
}

fn place(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("the token on line {line}: "))
}

/// Why a file has no token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("the file {} cannot be read: {reason}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// What it has is no token.
    #[error("the file {} has no usable cluster token: {reason}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: InvalidToken,
    },
}

/// One secret, and what is derived from it, once. Clones share that.
#[derive(Clone)]
pub struct Token {
    secret: Bytes,
    seed: Arc<OnceLock<[u8; SEED_BYTES]>>,
}

impl Token {
    /// The secret itself.
    pub(super) fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// Bytes that follow from the secret, and from which it does not follow: by Argon2id, as RFC 9106 has it. The first call
    /// takes a tenth of a second and 64 MiB, so it is no business of a thread that others wait for.
    ///
    /// # Errors
    ///
    /// There is not so much memory.
    pub fn seed(&self) -> Result<&[u8; SEED_BYTES], argon2::Error> {
        if let Some(seed) = self.seed.get() {
            return Ok(seed);
        }
        let mut seed = [0; SEED_BYTES];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMS).hash_password_into(
            &self.secret,
            SALT,
            &mut seed,
        )?;
        Ok(self.seed.get_or_init(|| seed))
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.secret == other.secret
    }
}

impl Eq for Token {}

/// A secret is not shown.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The secret that all nodes of a cluster know; two of them while one takes the place of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterToken {
    own: Token,
    other: Option<Token>,
    /// The file that it is from, and how that looked before it was read.
    file: Option<(PathBuf, Stamp)>,
}

impl ClusterToken {
    /// The token as somebody has written it, one a line, with the one first that this process proves itself with. Space
    /// around them and empty lines are ignored.
    ///
    /// # Errors
    ///
    /// The text has no token, an invalid one, or more than two.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidToken> {
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let lines = lines.enumerate().filter(|(_, line)| !line.is_empty());
        let lines: Vec<_> = lines.collect();
        let several = lines.len() > 1;
        let mut tokens = Vec::new();
        for (index, line) in &lines {
            let token = Token {
                secret: check(several.then_some(index + 1), line)?,
                seed: Arc::default(),
            };
            if !tokens.contains(&token) {
                tokens.push(token);
            }
        }
        let mut tokens = tokens.into_iter();
        match (tokens.next(), tokens.next(), tokens.next()) {
            (None, ..) => Err(InvalidToken::Length {
                line: None,
                bytes: 0,
            }),
            (Some(own), other, None) => Ok(Self {
                own,
                other,
                file: None,
            }),
            (Some(_), _, Some(_)) => Err(InvalidToken::TooMany(lines.len())),
        }
    }

    /// Reads the token from a file, as [`parse`](Self::parse) does.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or what it has is no token.
    pub fn read(file: &Path) -> Result<Self, TokenError> {
        // Looked at before it is read: what is written meanwhile is read next time.
        let stamp = Stamp::of(file);
        let mut bytes = Vec::new();
        // Bounded, since the name may be that of a device.
        let read =
            File::open(file).and_then(|open| open.take(MAX_FILE_BYTES).read_to_end(&mut bytes));
        read.map_err(|reason| TokenError::Read {
            file: file.to_owned(),
            reason,
        })?;
        let mut token = Self::parse(&bytes).map_err(|reason| TokenError::Invalid {
            file: file.to_owned(),
            reason,
        })?;
        token.file = Some((file.to_owned(), stamp));
        Ok(token)
    }

    /// The one that this process proves itself with.
    pub(super) fn own(&self) -> &Token {
        &self.own
    }

    /// All that it trusts, its own one first.
    pub(super) fn trusted(&self) -> impl Iterator<Item = &Token> {
        [Some(&self.own), self.other.as_ref()].into_iter().flatten()
    }

    /// The file that it is from, and how that looked before it was read.
    pub(super) fn file(&self) -> Option<&(PathBuf, Stamp)> {
        self.file.as_ref()
    }

    /// Derives now what follows from it, so that nobody waits for that later. Takes a tenth of a second and 64 MiB.
    ///
    /// # Errors
    ///
    /// There is not so much memory.
    pub fn derive(&self) -> Result<(), argon2::Error> {
        self.trusted().try_for_each(|token| token.seed().map(drop))
    }
}

fn check(line: Option<usize>, token: &[u8]) -> Result<Bytes, InvalidToken> {
    let bytes = token.len();
    if !(MIN_TOKEN_BYTES..=MAX_TOKEN_BYTES).contains(&bytes) {
        return Err(InvalidToken::Length { line, bytes });
    }
    match token.iter().position(|byte| !byte.is_ascii_graphic()) {
        Some(index) => Err(InvalidToken::Character {
            line,
            byte: index + 1,
        }),
        None => Ok(Bytes::copy_from_slice(token)),
    }
}
