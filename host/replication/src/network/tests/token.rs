//! The cluster token: what is one, what a file may have, and what follows from it.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use rustls::RootCertStore;

use crate::network::tls::PeerTls;
use crate::network::token::{ClusterToken, InvalidToken, Token};

const TOKEN: &str = "correct-horse-battery-staple";

/// What the file with this content is read as.
fn read(content: impl AsRef<[u8]>) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    fs::write(&file, content).expect("a file");
    let read = ClusterToken::read(&file).map_err(|error| {
        let error = error.to_string();
        let file = format!("the file {}", file.display());
        assert!(error.starts_with(&file), "{error}");
        error
    })?;
    assert_eq!(Some(read.own()), read.trusted().next());
    let text = |token: &Token| String::from_utf8_lossy(token.secret()).into_owned();
    Ok(read.trusted().map(text).collect())
}

#[test]
fn space_around_a_token_is_ignored() {
    for content in [
        TOKEN.to_owned(),
        format!("{TOKEN}\n"),
        format!("\r\n \t{TOKEN}\r\n\r\n"),
    ] {
        assert_eq!(read(&content), Ok(vec![TOKEN.to_owned()]));
    }
}

#[test]
fn a_token_has_16_to_2048_bytes() {
    for length in [16, 2048] {
        let token = "a".repeat(length);
        assert_eq!(read(&token), Ok(vec![token]));
    }
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
        let error = ClusterToken::read(file).expect_err("refused").to_string();
        let expected = format!("the file {} cannot be read: ", file.display());
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_without_an_end_is_no_token() {
    assert!(ClusterToken::read(Path::new("/dev/zero")).is_err());
}

#[test]
fn two_lines_are_two_tokens_and_the_first_is_the_own_one() {
    let (new, old) = ("the-new-secret-of-all-nodes", "the-old-secret-of-all-nodes");
    for text in [
        format!("{new}\n{old}"),
        format!("\r\n {new} \r\n\r\n\t{old}\r\n"),
    ] {
        assert_eq!(read(text), Ok(vec![new.to_owned(), old.to_owned()]));
    }
    let twice = format!("{new}\n{new}\n");
    assert_eq!(read(twice), Ok(vec![new.to_owned()]), "is one");
    let third = read(format!("{new}\n{old}\n{TOKEN}\n")).expect_err("three");
    assert!(
        third.contains("3 lines") && third.contains("may have 2"),
        "{third}"
    );
    for (text, expected) in [
        (
            format!("{new}\nshort"),
            "the token on line 2: it has 5 bytes",
        ),
        (
            format!("\n\nshort\n{old}"),
            "the token on line 3: it has 5 bytes",
        ),
        (
            format!("{new}\n{old} {TOKEN}"),
            "the token on line 2: its byte 28 ",
        ),
    ] {
        let error = read(text).expect_err(expected);
        assert!(error.contains(expected), "{error}");
        assert!(
            !error.contains("secret") && !error.contains("horse"),
            "{error}"
        );
    }
    assert_eq!(
        ClusterToken::parse(b" \n "),
        Err(InvalidToken::Length {
            line: None,
            bytes: 0
        })
    );
}

#[test]
fn a_token_is_not_in_what_is_logged() {
    let token = ClusterToken::parse(TOKEN.as_bytes()).expect("a token");
    let shown = format!("{token:?}");
    assert!(
        !shown.contains("horse") && !shown.contains("104"),
        "{shown}"
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All versions of this program have to derive the same, or nodes of two of them do not find together: what this expects was
/// computed by another implementation, that of OpenSSL.
#[test]
fn what_follows_from_a_token_stays_the_same() {
    let token = ClusterToken::parse(TOKEN.as_bytes()).expect("a token");
    let seed = token.own().seed().expect("memory");
    assert_eq!(
        hex(seed),
        "0ed93d338f6099760745909cb3cce0478df4faf8c60377eb72fc214ab8f38288"
    );
    let clone = token.clone();
    assert!(
        std::ptr::eq(clone.own().seed().expect("memory"), seed),
        "is derived once"
    );
}

/// A node trusts a certificate that names this authority and that this key has signed. So the authority of a token is the same
/// in all versions of this program as well. The key is what OpenSSL says follows from the seed; the name is written down by
/// hand, as X.690 has it. Both are the contents of a SEQUENCE, without its head.
#[test]
fn the_authority_of_a_token_stays_the_same() {
    let token = ClusterToken::parse(TOKEN.as_bytes()).expect("a token");
    let tls = PeerTls::of(&token).expect("memory");
    let mut roots = RootCertStore::empty();
    for authority in tls.authorities() {
        roots.add(authority).expect("an authority");
    }
    let [anchor] = roots.roots.as_slice() else {
        panic!("one token, and {} authorities", roots.len());
    };
    // A SET of one SEQUENCE: commonName, and a UTF8String.
    let name = format!("3120301e06035504030c17{}", hex(b"spindrift cluster token"));
    assert_eq!(hex(&anchor.subject), name);
    assert_eq!(
        hex(&anchor.subject_public_key_info),
        // Ed25519, and 32 bytes in a BIT STRING.
        "300506032b657003210054a581e5e809f5a3fa2eca892617b4610000785021a92de843132a863e9de396"
    );
    assert_eq!(anchor.name_constraints, None);
    // Without the same protocol above TLS there is no connection either.
    let (client, server) = tls.configurations();
    for protocols in [&client.alpn_protocols, &server.alpn_protocols] {
        assert_eq!(protocols.as_slice(), [b"spindrift-token/1".to_vec()]);
    }
}

/// Bytes of any kind, and lines that are nearly tokens: too few of the former are any.
fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        "([!-~]{0,24}[ -~]?\n?){0,3}".prop_map(String::into_bytes),
    ]
}

proptest! {
    /// No file brings the reader down, and what it takes has what a header and a key can have.
    #[test]
    fn whatever_a_file_has(content in content()) {
        if let Ok(tokens) = read(content) {
            prop_assert!((1..=2).contains(&tokens.len()));
            for token in tokens {
                prop_assert!(token.len() >= 16 && token.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
