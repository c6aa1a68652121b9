//! The form of a node's address: `host:port`, the host a name or an IP address. Looking it up is left to whoever connects.

use std::net::{IpAddr, Ipv6Addr};

use thiserror::Error;

/// The longest host name that DNS has, in bytes.
const MAX_HOST_BYTES: usize = 253;

/// Not the address of a node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{address:?} is not the address of a node: {reason}")]
pub struct AddressError {
    address: String,
    reason: &'static str,
}

/// Checks that other nodes could connect to `address`.
///
/// # Errors
///
/// Says what is wrong with the form. A name that nobody knows is not found out here.
pub fn check(address: &str) -> Result<(), AddressError> {
    reason(address).map_or(Ok(()), |reason| {
        Err(AddressError {
            address: address.to_owned(),
            reason,
        })
    })
}

fn reason(address: &str) -> Option<&'static str> {
    let Some((host, port)) = address.rsplit_once(':') else {
        return Some("write HOST:PORT, such as node-1.example.com:7000");
    };
    // `u16` would take a sign.
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !port.parse::<u16>().is_ok_and(|port| port != 0) {
        return Some("the port after the last colon must be from 1 to 65535");
    }
    let ip: Option<IpAddr> = match host.strip_prefix('[') {
        Some(rest) => match rest.strip_suffix(']').map(str::parse::<Ipv6Addr>) {
            Some(Ok(ip)) => Some(ip.into()),
            _ => return Some("there is no IPv6 address between the brackets"),
        },
        None if host.contains(':') => {
            return Some("an IPv6 address is written in brackets, as in [::1]:7000");
        }
        None => host.parse().ok(),
    };
    match ip {
        Some(ip) if ip.is_unspecified() => {
            Some("it stands for every address of a machine; write the one that reaches it")
        }
        Some(_) => None,
        None => host_name_reason(host),
    }
}

fn host_name_reason(host: &str) -> Option<&'static str> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if host.is_empty() {
        Some("there is no host before the colon")
    } else if host.len() > MAX_HOST_BYTES {
        Some("no host name is that long")
    } else if !host.bytes().all(known) {
        Some("a host name has letters, digits, dots and hyphens only")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_pass() {
        for address in [
            "127.0.0.1:7000",
            "[::1]:1",
            "[2001:db8::7]:65535",
            "localhost:7000",
            "node-1.example.com:7000",
            "10-1-2-3.default.pod.cluster.local:7000",
            "spindrift_node:7000",
        ] {
            assert_eq!(check(address), Ok(()), "{address}");
        }
    }

    #[test]
    fn refusals_quote_what_was_given() {
        for (address, part) in [
            ("", "HOST:PORT"),
            ("node-1", "HOST:PORT"),
            ("node-1:", "port"),
            ("node-1:0", "port"),
            ("node-1:65536", "port"),
            ("node-1:+70", "port"),
            ("node-1:http", "port"),
            (":7000", "no host"),
            ("::1:7000", "brackets"),
            ("[::1:7000", "brackets"),
            ("[node-1]:7000", "brackets"),
            ("0.0.0.0:7000", "every address"),
            ("[::]:7000", "every address"),
            ("http://node-1:7000", "not the address"),
            ("node 1:7000", "letters"),
            ("node-1/x:7000", "letters"),
            ("user@node-1:7000", "letters"),
        ] {
            let error = check(address).expect_err(address).to_string();
            assert!(
                error.contains(&format!("{address:?}")) && error.contains(part),
                "{address}: {error}"
            );
        }
        let long = format!("{}:7000", "a".repeat(254));
        assert!(check(&long).is_err());
    }
}
