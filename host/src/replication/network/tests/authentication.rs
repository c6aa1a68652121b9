//! The cluster token, and where the port may be without one.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::service::Interceptor;
use tonic::{Code, Request, Status};

use crate::replication::network::authentication::{
    Authentication, InvalidToken, check_exposure, read_token,
};

const TOKEN: &str = "correct-horse-battery-staple";

/// What the file with this content is read as.
fn read(content: impl AsRef<[u8]>) -> Result<Bytes, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    fs::write(&file, content).expect("a file");
    read_token(&file).map_err(|error| {
        let error = error.to_string();
        let file = format!("the file {}", file.display());
        assert!(error.starts_with(&file), "{error}");
        error
    })
}

#[test]
fn space_around_a_token_is_ignored() {
    for content in [
        TOKEN.to_owned(),
        format!("{TOKEN}\n"),
        format!("\r\n \t{TOKEN}\r\n\r\n"),
    ] {
        assert_eq!(read(&content).as_deref(), Ok(TOKEN.as_bytes()));
    }
}

#[test]
fn a_token_has_16_to_2048_bytes() {
    assert_eq!(read("a".repeat(16)).map(|token| token.len()), Ok(16));
    assert_eq!(read("a".repeat(2048)).map(|token| token.len()), Ok(2048));
    for length in [0, 1, 15, 2049] {
        let error = read("a".repeat(length)).expect_err("refused");
        let expected = format!("it has {length} bytes, and must have 16 to 2048");
        assert!(error.contains(&expected), "{error}");
    }
    // Not read to the end, which a device may not have.
    assert!(read("a".repeat(10 << 20)).is_err());
}

#[test]
fn a_token_is_printable_and_is_not_shown() {
    for (content, place) in [
        ("0123456789 abcdef", 11),
        ("0123456789\nabcdef", 11),
        ("0123456789abcdef\0", 17),
        ("ü0123456789abcdef", 1),
        ("0123456789abcde\u{7f}", 16),
    ] {
        let error = read(content).expect_err(content);
        assert!(error.contains(&format!("byte {place} ")), "{error}");
        assert!(!error.contains("0123"), "{error}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in [folder.path(), &folder.path().join("absent")] {
        let error = read_token(file).expect_err("refused").to_string();
        let expected = format!("the file {} cannot be read: ", file.display());
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_without_an_end_is_no_token() {
    assert!(read_token(Path::new("/dev/zero")).is_err());
}

fn authentication(token: Option<&str>) -> Authentication {
    let token = token.map(|token| Bytes::copy_from_slice(token.as_bytes()));
    Authentication::new(token).expect("a token")
}

#[test]
fn a_token_that_cannot_be_sent_does_not_count_as_none() {
    for (token, expected) in [
        ("", InvalidToken::Length(0)),
        ("short", InvalidToken::Length(5)),
        ("0123456789abcdef\r\n", InvalidToken::Character(17)),
    ] {
        let refused = Authentication::new(Some(Bytes::from_static(token.as_bytes())));
        assert_eq!(refused.expect_err(token), expected);
    }
}

#[test]
fn a_token_is_not_in_what_is_logged() {
    let authentication = authentication(Some(TOKEN));
    let shown = format!("{authentication:?} {:?}", authentication.metadata());
    assert!(!shown.contains("horse"), "{shown}");
}

/// What becomes of a call with this metadata.
fn call(authentication: &mut Authentication, metadata: MetadataMap) -> Result<(), Status> {
    let call = Request::from_parts(metadata, tonic::Extensions::default(), ());
    authentication.call(call).map(drop)
}

/// The metadata of a call.
fn metadata(authorization: Option<&str>) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    if let Some(value) = authorization {
        let value = AsciiMetadataValue::try_from(value).expect("a value");
        metadata.insert("authorization", value);
    }
    metadata
}

#[test]
fn nodes_with_the_same_token_hear_each_other() {
    for token in [None, Some(TOKEN)] {
        let mut authentication = authentication(token);
        let mut signed = metadata(None);
        if let Some(value) = authentication.metadata() {
            signed.insert("authorization", value);
        }
        assert_eq!(
            signed.get("authorization").is_some(),
            token.is_some(),
            "{token:?}"
        );
        call(&mut authentication, signed).expect("accepted");
    }
}

#[test]
fn a_call_without_the_token_is_refused_in_words() {
    let right = format!("Bearer {TOKEN}");
    let scheme = format!("bearer {TOKEN}");
    let longer = format!("{right}r");
    let shorter = &right[..right.len() - 1];
    let changed = right.replace("staple", "stable");
    let cases = [
        (Some(TOKEN), None, "token is missing"),
        (Some(TOKEN), Some(""), "is another one"),
        (Some(TOKEN), Some(TOKEN), "is another one"),
        (Some(TOKEN), Some("Bearer "), "is another one"),
        (Some(TOKEN), Some(&scheme), "is another one"),
        (Some(TOKEN), Some(&longer), "is another one"),
        (Some(TOKEN), Some(shorter), "is another one"),
        (Some(TOKEN), Some(&changed), "is another one"),
        (None, Some(&right), "this node has none"),
    ];
    for (token, given, expected) in cases {
        let call = call(&mut authentication(token), metadata(given));
        let status = call.expect_err("refused");
        assert_eq!(status.code(), Code::Unauthenticated, "{given:?}");
        assert!(status.message().contains(expected), "{status:?}");
        assert!(status.message().contains("--cluster-token-file"));
        assert!(!status.message().contains("horse"), "{status:?}");
    }
}

proptest! {
    /// No other header is taken for the token, and none brings the check down.
    #[test]
    fn only_the_token_is_the_token(given: Vec<u8>) {
        let Ok(value) = AsciiMetadataValue::try_from(given.as_slice()) else {
            return Ok(());
        };
        let mut metadata = metadata(None);
        metadata.insert("authorization", value);
        prop_assert!(call(&mut authentication(Some(TOKEN)), metadata).is_err());
    }

    /// What is accepted as a token can be sent as one.
    #[test]
    fn a_token_that_is_read_can_be_sent(content in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(token) = read(&content) {
            prop_assert!(Authentication::new(Some(token)).expect("a token").metadata().is_some());
        }
    }
}

#[test]
fn an_open_port_off_loopback_is_refused_with_what_to_do() {
    for listen in [
        "127.0.0.1:7000",
        "127.9.8.7:0",
        "[::1]:7000",
        "[::ffff:127.0.0.1]:1",
    ] {
        let listen: SocketAddr = listen.parse().expect("an address");
        assert_eq!(check_exposure(listen, false, false), Ok(()), "{listen}");
    }
    for listen in [
        "0.0.0.0:7000",
        "10.1.2.3:7000",
        "[::]:7000",
        "[::ffff:10.1.2.3]:1",
    ] {
        let listen: SocketAddr = listen.parse().expect("an address");
        assert_eq!(check_exposure(listen, true, false), Ok(()), "{listen}");
        assert_eq!(check_exposure(listen, false, true), Ok(()), "{listen}");
        let error = check_exposure(listen, false, false).expect_err("refused");
        let error = error.to_string();
        for part in [
            listen.to_string().as_str(),
            "--cluster-token-file",
            "--peer-tls-cert, --peer-tls-key and --peer-tls-ca",
            "--peer-listen 127.0.0.1:",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}
