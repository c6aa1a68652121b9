//! What `allowed_outbound_hosts` permits.
//!
//! An entry is `scheme://host[:port]`. Each part may be `*`; a host may be `*.domain` or a network (`10.0.0.0/8`), a port
//! may be a range whose end is left out (`8000..8100`). The hosts `self` and `self.alt` stand for the application itself,
//! whatever the port, and `ID.spin.internal` for one of its components. Nothing is allowed that no entry allows.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use ipnet::IpNet;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    /// `None` for any.
    scheme: Option<String>,
    host: Host,
    ports: Ports,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Any,
    /// The application itself.
    Itself,
    /// The domain with a dot in front; only what is under it is allowed, not the domain itself.
    Subdomains(String),
    Name(String),
    Network(IpNet),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Ports {
    Any,
    In(Range<u32>),
}

/// The entries of one component. The default allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    entries: Vec<AllowedHost>,
}

impl AllowedHosts {
    pub(crate) fn new(entries: Vec<AllowedHost>) -> Self {
        Self { entries }
    }

    /// Whether the component may call `host` with `scheme`. `host` is a name or an address (an IPv6 one with or without
    /// brackets). Without a `port`, the scheme's own counts.
    pub fn allows(&self, scheme: &str, host: &str, port: Option<u16>) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        let scheme = scheme.to_ascii_lowercase();
        let mut host = host.to_ascii_lowercase();
        if internal_component(&host).is_some() {
            host.truncate(host.trim_end_matches('.').len());
        }
        let address = parse_address(&host);
        let port = port.or_else(|| default_port(&scheme));
        self.entries.iter().any(|entry| {
            entry.allows_scheme(&scheme)
                && entry.allows_host(&host, address)
                && entry.allows_port(port)
        })
    }

    /// Whether the component may call its own application, whatever answers the path there. As in Spin, the scheme of such a
    /// request does not count, nor does the port of an entry.
    pub fn allows_itself(&self) -> bool {
        self.entries.iter().any(|entry| {
            let scheme = entry.scheme.as_deref();
            matches!(entry.host, Host::Any | Host::Itself)
                && scheme.is_none_or(|scheme| matches!(scheme, "http" | "https"))
        })
    }

    /// Whether an entry names the application itself or its components, so that the component is likely to call them.
    pub fn names_itself(&self) -> bool {
        self.entries.iter().any(|entry| match &entry.host {
            Host::Itself => true,
            Host::Name(name) => internal_component(name).is_some(),
            Host::Subdomains(domain) => domain == INTERNAL,
            Host::Any | Host::Network(_) => false,
        })
    }

    /// Whether the component may connect a socket, or send a datagram, to `addr`; `scheme` is `tcp` or `udp`. As in Spin,
    /// an entry counts if its scheme is that or `*`, and its host `*`, that address, or a network with it: a name does not,
    /// because the guest resolves names itself. Binding a TCP socket to listen is never allowed in Spin; a UDP bind is
    /// checked with the local address.
    pub fn allows_addr(&self, addr: SocketAddr, scheme: &str) -> bool {
        self.allows(scheme, &addr.ip().to_string(), Some(addr.port()))
    }

    /// Whether nothing at all is allowed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl AllowedHost {
    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with it.
    pub fn parse(entry: &str) -> Result<Self, String> {
        let entry = entry.trim();
        if entry == "insecure:allow-all" {
            return Err("this is from Spin 1; write \"*://*:*\" to allow every host".to_owned());
        }
        let Some((scheme, rest)) = entry.split_once("://") else {
            return Err("an entry is `scheme://host` or `scheme://host:port`, and each part may be `*`; there is no `://` in it".to_owned());
        };
        let (host, port) = split_port(rest)?;
        let parsed_scheme = parse_scheme(scheme)?;
        let host = Host::parse(host)?;
        let ports = match host {
            Host::Itself if port.is_empty() => Ports::Any,
            _ => Ports::parse(port, scheme)?,
        };
        Ok(Self {
            scheme: parsed_scheme,
            host,
            ports,
        })
    }

    fn allows_scheme(&self, scheme: &str) -> bool {
        self.scheme
            .as_deref()
            .is_none_or(|allowed| allowed == scheme)
    }

    fn allows_host(&self, host: &str, address: Option<IpAddr>) -> bool {
        match &self.host {
            Host::Any => true,
            // See `allows_itself`.
            Host::Itself => false,
            Host::Subdomains(domain) => {
                host.len() > domain.len() && host.ends_with(domain.as_str())
            }
            Host::Name(name) => name == host,
            Host::Network(network) => address.is_some_and(|address| network.contains(&address)),
        }
    }

    fn allows_port(&self, port: Option<u16>) -> bool {
        match &self.ports {
            Ports::Any => true,
            Ports::In(range) => port.is_some_and(|port| range.contains(&u32::from(port))),
        }
    }
}

/// `host`, `host:port`, with an IPv6 host in brackets or as a network, and an empty path at most.
fn split_port(rest: &str) -> Result<(&str, &str), String> {
    let (host, port) = match rest.strip_prefix('[') {
        Some(inner) => {
            let (_, after) = inner.split_once(']').ok_or("`[` has no `]` after it")?;
            let after_slash = after.trim_end_matches('/');
            let port = match after_slash.strip_prefix(':') {
                Some(port) => port,
                None if after_slash.is_empty() => "",
                None => {
                    return Err(format!(
                        "{after_slash:?} after the address; only a port may follow"
                    ));
                }
            };
            (&rest[..rest.len() - after.len()], port)
        }
        None => rest.rsplit_once(':').unwrap_or((rest, "")),
    };
    let port = match port.split_once('/') {
        Some((_, path)) if !path.is_empty() => {
            return Err("an entry has no path; end it after the port".to_owned());
        }
        Some((port, _)) => port,
        None => port,
    };
    Ok((host.trim(), port))
}

fn parse_scheme(scheme: &str) -> Result<Option<String>, String> {
    if scheme == "*" {
        return Ok(None);
    }
    if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(format!(
            "{scheme:?} is no scheme; write one such as `https`, or `*` for any"
        ));
    }
    Ok(Some(scheme.to_ascii_lowercase()))
}

impl Host {
    fn parse(host: &str) -> Result<Self, String> {
        if host == "*" {
            return Ok(Self::Any);
        }
        let host = host.to_ascii_lowercase();
        if let Ok(network) = host.parse::<IpNet>() {
            return Ok(Self::Network(network.trunc()));
        }
        let name = host.trim_end_matches('/');
        if name == "self" || name == "self.alt" {
            return Ok(Self::Itself);
        }
        if let Some(address) = parse_address(name) {
            return Ok(Self::Network(address.into()));
        }
        if name.starts_with('{') {
            return Err(
                "lists in braces are not supported; write an entry for each host".to_owned(),
            );
        }
        if name.contains('/') {
            return Err("an entry has no path; end it after the host".to_owned());
        }
        if name.contains('@') {
            return Err("an entry has no user; write the host alone".to_owned());
        }
        let (domain, subdomains) = match name.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (name, false),
        };
        if domain.contains('*') {
            return Err(
                "`*` stands for the whole host or, as in `*.example.com`, for its first part"
                    .to_owned(),
            );
        }
        if let Some(found) = domain
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || "-_.".contains(*c)))
        {
            let hint = if found.is_ascii() {
                ""
            } else {
                "; write the name in its `xn--` form"
            };
            return Err(format!("{found:?} cannot be part of a host{hint}"));
        }
        match domain {
            "" => Err("the host is empty; write one, or `*` for any".to_owned()),
            _ if subdomains => Ok(Self::Subdomains(format!(".{domain}"))),
            _ => Ok(Self::Name(domain.to_owned())),
        }
    }
}

impl Ports {
    fn parse(port: &str, scheme: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.parse::<u16>()
                .map(u32::from)
                .map_err(|_| format!("{text:?} is no port; write a number up to 65535, a range such as `8000..8100`, or `*`"))
        };
        if port == "*" {
            return Ok(Self::Any);
        }
        if port.is_empty() {
            return match default_port(&scheme.to_ascii_lowercase()) {
                Some(port) => Ok(Self::In(u32::from(port)..u32::from(port) + 1)),
                None => Err(format!(
                    "the scheme `{scheme}` has no port of its own; write one after the host, or `:*` for any"
                )),
            };
        }
        if port.starts_with('{') {
            return Err(
                "lists in braces are not supported; write an entry for each port".to_owned(),
            );
        }
        if let Some((start, end)) = port.split_once("..") {
            let range = number(start)?..number(end)?;
            if range.is_empty() {
                return Err(format!(
                    "the range of ports {port:?} is empty; its end is left out, so it must be above its start"
                ));
            }
            return Ok(Self::In(range));
        }
        let port = number(port)?;
        Ok(Self::In(port..port + 1))
    }
}

/// The ports that Spin knows for schemes.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "postgres" => Some(5432),
        "mysql" => Some(3306),
        "redis" => Some(6379),
        "mqtt" => Some(1883),
        _ => None,
    }
}

/// The domain of the application's components, which only the application itself knows.
const INTERNAL: &str = ".spin.internal";

/// The component that a host stands for, in whatever case: `ID` of `ID.spin.internal`, with or without dots at the end.
pub fn internal_component(host: &str) -> Option<&str> {
    let domain = host.trim_end_matches('.');
    let (component, suffix) = domain.split_at_checked(domain.len().checked_sub(INTERNAL.len())?)?;
    suffix.eq_ignore_ascii_case(INTERNAL).then_some(component)
}

/// An address, with or without brackets; an IPv4 address in IPv6 clothes is the IPv4 address.
fn parse_address(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests;
