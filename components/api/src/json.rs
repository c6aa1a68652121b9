//! A JSON scanner that builds nothing: it finds where values lie, and where a
//! fault is.
//!
//! The place of a fault is part of the API: it is the offset that the original
//! reports, which is that of Python's `json` module (before Python 3.13, which
//! moved the offset of a trailing comma). So the order of the checks below is
//! that of Python's scanner, quirks included.
//!
//! Where Python accepts what is no JSON (`NaN`, `Infinity`, `-Infinity`) or no
//! Unicode (half of a surrogate pair), this scanner refuses it, but only after
//! the rest has been found well-formed.

use std::borrow::Cow;

use crate::limits::MAX_JSON_DEPTH;

/// A fault: the byte offset of the character at which Python's scanner stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault(pub usize);

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string; `escaped` tells whether it has escape sequences.
    String {
        /// Whether the text must be unescaped.
        escaped: bool,
    },
    /// A whole number.
    Integer,
    /// A number with a fraction or an exponent.
    Float,
    /// `true`, `false` or `null`.
    Literal,
    /// `[…]`
    Array,
    /// `{…}`
    Object,
}

/// Where a value lies in the text, and what it is.
#[derive(Debug, Clone, Copy)]
pub struct Span<'a> {
    /// The value's type.
    pub kind: Kind,
    /// The value as written, quotes and brackets included.
    pub text: &'a str,
}

impl<'a> Span<'a> {
    /// The text of a string, without quotes and escapes; `None` for anything
    /// that is no string.
    pub fn as_string(&self) -> Option<Cow<'a, str>> {
        match self.kind {
            Kind::String { escaped } => {
                let inner = &self.text[1..self.text.len() - 1];
                Some(if escaped {
                    Cow::Owned(unescape(inner))
                } else {
                    Cow::Borrowed(inner)
                })
            }
            _ => None,
        }
    }
}

/// Walks over JSON text.
#[derive(Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// The first thing that Python accepts and JSON does not.
    not_json: Option<usize>,
}

impl<'a> Scanner<'a> {
    /// A scanner at the beginning of `text`.
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            not_json: None,
        }
    }

    /// The next byte, if any.
    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over white space.
    pub fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Ends a document: only white space may be left.
    pub fn finish(&mut self) -> Result<(), Fault> {
        self.skip_whitespace();
        if self.at < self.text.len() {
            return Err(Fault(self.at));
        }
        self.not_json.map_or(Ok(()), |at| Err(Fault(at)))
    }

    /// Steps over one value.
    pub fn value(&mut self) -> Result<Span<'a>, Fault> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'"') => return self.string(),
            Some(b'{') => return self.object(|scanner, _| scanner.value().map(drop)),
            Some(b'[') => return self.array(|scanner| scanner.value().map(drop)),
            Some(b'n') if self.accept("null") => Kind::Literal,
            Some(b't') if self.accept("true") => Kind::Literal,
            Some(b'f') if self.accept("false") => Kind::Literal,
            Some(b'N') if self.accept("NaN") => self.refuse_later(start),
            Some(b'I') if self.accept("Infinity") => self.refuse_later(start),
            Some(b'-') if self.accept("-Infinity") => self.refuse_later(start),
            _ => self.number()?,
        };
        Ok(self.span(kind, start))
    }

    /// Steps over the array that begins here; `element` steps over each of its
    /// elements.
    pub fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<Span<'a>, Fault> {
        let start = self.at;
        self.enter()?;
        if self.peek() == Some(b']') {
            self.at += 1;
        } else {
            loop {
                element(self)?;
                if self.end_of_element(b']')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(self.span(Kind::Array, start))
    }

    /// Steps over the object that begins here; `member` gets each name and
    /// steps over its value. A name may come more than once.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Span<'a>) -> Result<(), Fault>,
    ) -> Result<Span<'a>, Fault> {
        let start = self.at;
        self.enter()?;
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                if self.peek() != Some(b'"') {
                    return Err(Fault(self.at));
                }
                let name = self.string()?;
                self.skip_whitespace();
                if self.peek() != Some(b':') {
                    return Err(Fault(self.at));
                }
                self.at += 1;
                self.skip_whitespace();
                member(self, name)?;
                if self.end_of_element(b'}')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(self.span(Kind::Object, start))
    }

    /// After an element: true at the closing bracket, false at the next one.
    fn end_of_element(&mut self, close: u8) -> Result<bool, Fault> {
        self.skip_whitespace();
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(true)
            }
            Some(b',') => {
                self.at += 1;
                self.skip_whitespace();
                Ok(false)
            }
            _ => Err(Fault(self.at)),
        }
    }

    fn enter(&mut self) -> Result<(), Fault> {
        if self.depth == MAX_JSON_DEPTH {
            return Err(Fault(self.at));
        }
        self.depth += 1;
        self.at += 1;
        self.skip_whitespace();
        Ok(())
    }

    fn span(&self, kind: Kind, start: usize) -> Span<'a> {
        Span {
            kind,
            text: &self.text[start..self.at],
        }
    }

    fn accept(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        if found {
            self.at += word.len();
        }
        found
    }

    fn refuse_later(&mut self, at: usize) -> Kind {
        self.not_json.get_or_insert(at);
        Kind::Literal
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at > start
    }

    /// A number ends before the first thing that cannot belong to it: `1.x` is
    /// the number 1 followed by a fault, as in Python.
    fn number(&mut self) -> Result<Kind, Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else if !self.digits() {
            self.at = start;
            return Err(Fault(start));
        }
        let mut kind = Kind::Integer;
        let fraction = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() {
                kind = Kind::Float;
            } else {
                self.at = fraction;
            }
        }
        let exponent = self.at;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() {
                kind = Kind::Float;
            } else {
                self.at = exponent;
            }
        }
        Ok(kind)
    }

    /// Steps over the string that begins here.
    pub fn string(&mut self) -> Result<Span<'a>, Fault> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut escaped = false;
        let mut at = start + 1;
        loop {
            match bytes.get(at) {
                None => return Err(Fault(start)),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at = match bytes.get(at + 1) {
                        None => return Err(Fault(start)),
                        Some(b'u') => self.unicode_escape(at)?,
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at + 2,
                        Some(_) => return Err(Fault(at)),
                    };
                }
                Some(0..=0x1f) => return Err(Fault(at)),
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        Ok(self.span(Kind::String { escaped }, start))
    }

    /// Checks the `\uXXXX` whose backslash is at `at`, with the second half of
    /// its pair if it is the first; returns the offset after it.
    fn unicode_escape(&mut self, at: usize) -> Result<usize, Fault> {
        let text = self.text;
        let bytes = text.as_bytes();
        // Python wants a character after the digits: the closing quote.
        let code = |at: usize| {
            if at + 6 >= bytes.len() {
                return Err(Fault(at + 1));
            }
            hex(&bytes[at + 2..at + 6]).ok_or(Fault(at + 1))
        };
        match code(at)? {
            0xd800..=0xdbff => {
                if bytes[at + 6..].starts_with(b"\\u") && (0xdc00..=0xdfff).contains(&code(at + 6)?)
                {
                    return Ok(at + 12);
                }
                self.refuse_later(at + 1);
            }
            0xdc00..=0xdfff => {
                self.refuse_later(at + 1);
            }
            _ => {}
        }
        Ok(at + 6)
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |code, digit| {
        Some(code << 4 | char::from(*digit).to_digit(16)?)
    })
}

/// Resolves the escapes of a string that a [`Scanner`] found well-formed.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(backslash) = rest.find('\\') {
        out.push_str(&rest[..backslash]);
        let bytes = &rest.as_bytes()[backslash..];
        let mut length = 2;
        out.push(match bytes.get(1) {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                length = 6;
                let mut code = bytes.get(2..6).and_then(hex).unwrap_or_default();
                if (0xd800..=0xdbff).contains(&code) {
                    length = 12;
                    let low = bytes.get(8..12).and_then(hex).unwrap_or_default();
                    code = 0x10000 + ((code & 0x3ff) << 10 | low & 0x3ff);
                }
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            Some(&byte) => char::from(byte),
            None => break,
        });
        rest = rest.get(backslash + length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
