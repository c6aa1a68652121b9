//! A TOML document whose parts know their lines, and the few ways in which its values are read.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use spindrift_values::{ByteSize, boolean, duration};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{RuntimeConfigError, keys};
use crate::cli::listen;

/// A value and where it is.
pub(crate) type Value<'i> = Spanned<DeValue<'i>>;

/// Where faults are: a file and its text.
#[derive(Clone, Copy)]
pub(crate) struct Document<'i> {
    pub path: &'i Path,
    pub text: &'i str,
}

impl<'i> Document<'i> {
    /// The document's top table.
    pub fn parse(&self) -> Result<DeTable<'i>, RuntimeConfigError> {
        match DeTable::parse(self.text) {
            Ok(table) => Ok(table.into_inner()),
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start);
                Err(self.fault(offset, format!("not TOML: {}", error.message())))
            }
        }
    }

    /// An error about what is at `offset`.
    pub fn fault(&self, offset: usize, message: impl Into<String>) -> RuntimeConfigError {
        self.fault_on(self.line(offset), message)
    }

    /// An error about what is on a line.
    pub fn fault_on(&self, line: usize, message: impl Into<String>) -> RuntimeConfigError {
        RuntimeConfigError::Invalid {
            path: self.path.to_owned(),
            line,
            message: message.into(),
        }
    }

    /// The line of what is at `offset`, from 1.
    pub fn line(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }

    /// The value as a table.
    pub fn table<'v>(
        &self,
        name: &str,
        value: &'v Value<'i>,
    ) -> Result<&'v DeTable<'i>, RuntimeConfigError> {
        value
            .get_ref()
            .as_table()
            .ok_or_else(|| self.wrong_type(name, value, keys::TABLE))
    }

    /// The value as a string.
    pub fn string<'v>(
        &self,
        name: &str,
        value: &'v Value<'i>,
    ) -> Result<&'v str, RuntimeConfigError> {
        value
            .get_ref()
            .as_str()
            .ok_or_else(|| self.wrong_type(name, value, keys::STRING))
    }

    /// The value as a whole number, or a string that is one.
    pub fn count(&self, name: &str, value: &Value<'i>) -> Result<u64, RuntimeConfigError> {
        let (count, shown) = match value.get_ref() {
            DeValue::Integer(integer) => (
                u64::from_str_radix(integer.as_str(), integer.radix()).ok(),
                integer.to_string(),
            ),
            DeValue::String(text) => (text.parse().ok(), format!("{text:?}")),
            _ => return Err(self.wrong_type(name, value, keys::COUNT)),
        };
        let message = || format!("`{name}`: {shown} is not a whole number");
        count.ok_or_else(|| self.fault(value.span().start, message()))
    }

    /// The value as yes or no: a boolean, or a string that is one.
    pub fn boolean(&self, name: &str, value: &Value<'i>) -> Result<bool, RuntimeConfigError> {
        match value.get_ref() {
            DeValue::Boolean(on) => Ok(*on),
            DeValue::String(text) => boolean::parse(text)
                .map_err(|message| self.fault(value.span().start, format!("`{name}`: {message}"))),
            _ => Err(self.wrong_type(name, value, keys::BOOLEAN)),
        }
    }

    /// The value as a duration: a string with or without a unit, or an integer of seconds.
    pub fn duration(&self, name: &str, value: &Value<'i>) -> Result<Duration, RuntimeConfigError> {
        let duration = match value.get_ref() {
            DeValue::Integer(_) => self.count(name, value).map(Duration::from_secs)?,
            DeValue::String(text) => duration::parse(text).map_err(|message| {
                self.fault(value.span().start, format!("`{name}`: {message}"))
            })?,
            _ => return Err(self.wrong_type(name, value, keys::DURATION)),
        };
        Ok(duration)
    }

    /// The value as a size of at least one byte: an integer of bytes, or a string, with or without a unit. SpinKube writes
    /// every option as a string.
    pub fn size(&self, name: &str, value: &Value<'i>) -> Result<ByteSize, RuntimeConfigError> {
        let size = match value.get_ref() {
            DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix())
                .map(ByteSize)
                .map_err(|_| format!("{integer} is not a size: write whole bytes, or a string with a unit as in \"64MiB\"")),
            DeValue::String(text) => text.parse(),
            _ => return Err(self.wrong_type(name, value, keys::SIZE)),
        };
        match size {
            Ok(ByteSize(0)) => Err(self.fault(
                value.span().start,
                format!("`{name}`: it must be at least 1 byte"),
            )),
            Ok(size) => Ok(size),
            Err(message) => Err(self.fault(value.span().start, format!("`{name}`: {message}"))),
        }
    }

    /// The value as an address with a port to listen on.
    pub fn socket_address(
        &self,
        name: &str,
        value: &Value<'i>,
    ) -> Result<SocketAddr, RuntimeConfigError> {
        let DeValue::String(text) = value.get_ref() else {
            return Err(self.wrong_type(name, value, keys::ADDRESS));
        };
        listen::parse_address(text).map_err(|message| {
            let message = format!("`{name}`: {text:?} is no address to listen on: {message}");
            self.fault(value.span().start, message)
        })
    }

    /// The value as the name of a file.
    pub fn file(&self, name: &str, value: &Value<'i>) -> Result<PathBuf, RuntimeConfigError> {
        match value.get_ref().as_str() {
            None => Err(self.wrong_type(name, value, keys::FILE)),
            Some("") => Err(self.fault(
                value.span().start,
                format!("`{name}` is empty; name a file"),
            )),
            Some(file) => Ok(PathBuf::from(file)),
        }
    }

    /// An error about a value of the wrong type. The value itself may be a secret and is not shown.
    pub fn wrong_type(&self, name: &str, value: &Value<'i>, expected: &str) -> RuntimeConfigError {
        let found = value.get_ref().type_str();
        self.fault(
            value.span().start,
            format!("`{name}` must be {expected}; it is of type {found}"),
        )
    }
}
