//! A request's target: which operation of the guest, with which arguments.

/// The path and query of a request.
pub struct Target {
    operation: String,
    arguments: Vec<(String, String)>,
}

impl Target {
    /// Takes apart what a request line holds, `/path?name=value&…`. Names and values are percent-decoded, `+` is a
    /// space.
    pub fn parse(path_with_query: &str) -> Self {
        let (path, query) = path_with_query
            .split_once('?')
            .unwrap_or((path_with_query, ""));
        Self {
            operation: decode(path.rsplit('/').next().unwrap_or("")),
            arguments: pairs(query),
        }
    }

    /// The last segment of the path, so that a guest works under any route.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The first argument of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.arguments
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first argument of this name, or `default`.
    pub fn text(&self, name: &str, default: &str) -> String {
        self.get(name).unwrap_or(default).to_owned()
    }

    /// Every argument of this name, in order.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.arguments
            .iter()
            .filter(|(found, _)| found == name)
            .map(|(_, value)| value.clone())
            .collect()
    }

    /// The first argument of this name as a number, or `default`.
    ///
    /// # Panics
    ///
    /// When it is no number: a mistake in a test is to be seen, not to be guessed around.
    pub fn number(&self, name: &str, default: u64) -> u64 {
        self.get(name).map_or(default, |value| {
            value
                .parse()
                .unwrap_or_else(|_| panic!("the argument `{name}` must be a number, not `{value}`"))
        })
    }
}

/// Takes `name=value&…` apart, as in a query.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut rest = bytes.clone();
                let digits = [rest.next(), rest.next()]
                    .map(|digit| digit.and_then(|d| (d as char).to_digit(16)));
                match digits {
                    [Some(high), Some(low)] => {
                        bytes = rest;
                        (high * 16 + low) as u8
                    }
                    // Not an escape: the sign stands for itself.
                    _ => b'%',
                }
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operation_is_the_last_segment() {
        for (target, operation) in [
            ("/get", "get"),
            ("/kv3/get?key=a/b", "get"),
            ("/", ""),
            ("", ""),
        ] {
            assert_eq!(Target::parse(target).operation(), operation, "{target}");
        }
    }

    #[test]
    fn arguments_are_decoded() {
        let target = Target::parse("/x?key=a%2Fb+c%20%C3%A9&key=2&empty=&flag&bad=%zz%4&ms=15");
        assert_eq!(target.all("key"), ["a/b c é", "2"]);
        assert_eq!(target.get("empty"), Some(""));
        assert_eq!(target.get("flag"), Some(""));
        assert_eq!(target.get("bad"), Some("%zz%4"));
        assert_eq!(target.get("none"), None);
        assert_eq!((target.number("ms", 1), target.number("none", 1)), (15, 1));
    }
}
