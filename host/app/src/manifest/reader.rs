//! Reading TOML so that every complaint can name its line.
//!
//! A [`Section`] is a table whose keys are taken one by one; [`Section::finish`] complains about the first key that nobody
//! took. An [`Item`] is one value with its key.

use std::borrow::Cow;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::{AppError, Origin};

/// A manifest's text, kept to turn places in it into lines.
pub(crate) struct Document<'a> {
    pub(crate) origin: &'a Origin,
    text: &'a str,
}

impl<'a> Document<'a> {
    pub(crate) fn new(origin: &'a Origin, text: &'a str) -> Self {
        Self { origin, text }
    }

    /// The line, from 1, of a byte offset.
    pub(crate) fn line(&self, offset: usize) -> usize {
        let before = self
            .text
            .as_bytes()
            .get(..offset)
            .unwrap_or(self.text.as_bytes());
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    pub(crate) fn error(&self, offset: usize, message: impl Into<String>) -> AppError {
        self.origin.error(self.line(offset), message.into())
    }

    /// An error about what is called `name`, which stands in for the line where there is none.
    fn error_about(&self, name: &str, offset: usize, message: impl Into<String>) -> AppError {
        let message = message.into();
        if self.origin.has_lines() || message.contains(name) {
            self.error(offset, message)
        } else {
            self.error(offset, format!("{name}: {message}"))
        }
    }

    /// Parses the text as TOML.
    pub(crate) fn parse(&self) -> Result<DeTable<'a>, AppError> {
        DeTable::parse(self.text)
            .map(Spanned::into_inner)
            .map_err(|error| {
                let offset = error.span().map_or(0, |span| span.start);
                self.error(offset, format!("not TOML: {}", error.message()))
            })
    }
}

/// A table that is being read.
pub(crate) struct Section<'a> {
    pub(crate) document: &'a Document<'a>,
    /// As a person would name it: `[component.put]`.
    pub(crate) name: String,
    /// Where it starts in the text.
    pub(crate) offset: usize,
    table: &'a DeTable<'a>,
    known: Vec<&'static str>,
}

/// A value and its key.
pub(crate) struct Item<'a> {
    pub(crate) document: &'a Document<'a>,
    pub(crate) key: &'a str,
    /// As a person would name it: `` `source` in [component.put] ``.
    pub(crate) name: String,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Section<'a> {
    pub(crate) fn new(
        document: &'a Document<'a>,
        name: impl Into<String>,
        offset: usize,
        table: &'a DeTable<'a>,
    ) -> Self {
        Self {
            document,
            name: name.into(),
            offset,
            table,
            known: Vec::new(),
        }
    }

    /// The value of `key`, if there is one. The key counts as known from now on.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Item<'a>> {
        self.known.push(key);
        let (spanned_key, value) = self.table.get_key_value(key)?;
        Some(self.item(spanned_key, value))
    }

    /// The value of `key` without counting it as read.
    pub(crate) fn peek(&self, key: &str) -> Option<Item<'a>> {
        let (spanned_key, value) = self.table.get_key_value(key)?;
        Some(self.item(spanned_key, value))
    }

    /// The value of `key`, or an error that says that it is missing.
    pub(crate) fn require(
        &mut self,
        key: &'static str,
        example: &str,
    ) -> Result<Item<'a>, AppError> {
        self.take(key).ok_or_else(|| {
            self.error(format!(
                "{} has no `{key}`; add one, such as `{example}`",
                self.name
            ))
        })
    }

    /// The string value of `key`, or an empty string when there is none.
    pub(crate) fn string_or_empty(&mut self, key: &'static str) -> Result<String, AppError> {
        self.take(key)
            .map_or(Ok(String::new()), |item| item.string().map(str::to_owned))
    }

    /// The value of `key` as a list of strings with their places, empty when there is none.
    pub(crate) fn strings(&mut self, key: &'static str) -> Result<Vec<Item<'a>>, AppError> {
        let Some(item) = self.take(key) else {
            return Ok(Vec::new());
        };
        let items = item.list()?;
        for item in &items {
            item.string()?;
        }
        Ok(items)
    }

    /// Everything in the table, in the manifest's order. For tables whose keys are the user's own.
    pub(crate) fn items(&self) -> Vec<Item<'a>> {
        let mut items: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| self.item(key, value))
            .collect();
        items.sort_by_key(|item| item.value.span().start);
        items
    }

    /// The table as JSON.
    pub(crate) fn to_json(&self) -> Result<serde_json::Map<String, serde_json::Value>, AppError> {
        let items = self.items();
        let pairs = items
            .iter()
            .map(|item| Ok((item.key.to_owned(), item.to_json()?)));
        pairs.collect()
    }

    /// Complains about the first key that nobody has taken.
    pub(crate) fn finish(self) -> Result<(), AppError> {
        match self
            .items()
            .iter()
            .find(|item| !self.known.contains(&item.key))
        {
            None => Ok(()),
            Some(item) => Err(item.error(format!(
                "unknown field `{}` in {}; it may have {}",
                item.key,
                self.name,
                self.known
                    .iter()
                    .map(|key| format!("`{key}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
        }
    }

    /// An error about the table as a whole.
    pub(crate) fn error(&self, message: impl Into<String>) -> AppError {
        self.document.error_about(&self.name, self.offset, message)
    }

    fn item(&self, key: &'a Spanned<Cow<'a, str>>, value: &'a Spanned<DeValue<'a>>) -> Item<'a> {
        Item {
            document: self.document,
            key: key.get_ref(),
            name: format!("`{}` in {}", key.get_ref(), self.name),
            value,
        }
    }
}

impl<'a> Item<'a> {
    /// An error about the value or its key, which always share a line.
    pub(crate) fn error(&self, message: impl Into<String>) -> AppError {
        self.document
            .error_about(&self.name, self.value.span().start, message)
    }

    /// The line of the value.
    pub(crate) fn line(&self) -> usize {
        self.document.line(self.value.span().start)
    }

    fn expected(&self, what: &str) -> AppError {
        self.error(format!(
            "{} must be {what}, not {}",
            self.name,
            describe(self.value.get_ref())
        ))
    }

    pub(crate) fn string(&self) -> Result<&'a str, AppError> {
        self.value
            .get_ref()
            .as_str()
            .ok_or_else(|| self.expected("a string"))
    }

    pub(crate) fn is_string(&self) -> bool {
        self.value.get_ref().is_str()
    }

    pub(crate) fn is_list(&self) -> bool {
        self.value.get_ref().is_array()
    }

    pub(crate) fn boolean(&self) -> Result<bool, AppError> {
        self.value
            .get_ref()
            .as_bool()
            .ok_or_else(|| self.expected("true or false"))
    }

    /// The value when it is a whole number that fits.
    pub(crate) fn integer(&self) -> Result<i64, AppError> {
        let integer = self
            .value
            .get_ref()
            .as_integer()
            .ok_or_else(|| self.expected("a whole number"))?;
        i64::from_str_radix(integer.as_str(), integer.radix())
            .map_err(|_| self.error(format!("{} is out of range", self.name)))
    }

    pub(crate) fn list(&self) -> Result<Vec<Item<'a>>, AppError> {
        let list = self
            .value
            .get_ref()
            .as_array()
            .ok_or_else(|| self.expected("a list"))?;
        Ok(list
            .iter()
            .map(|value| Item {
                document: self.document,
                key: self.key,
                name: format!("an entry of {}", self.name),
                value,
            })
            .collect())
    }

    /// The value as a table that is called `name` from now on.
    pub(crate) fn section(&self, name: impl Into<String>) -> Result<Section<'a>, AppError> {
        let table = self
            .value
            .get_ref()
            .as_table()
            .ok_or_else(|| self.expected("a table"))?;
        Ok(Section::new(
            self.document,
            name,
            self.value.span().start,
            table,
        ))
    }

    /// The value as a table when it is one.
    pub(crate) fn table_or_none(&self, name: impl Into<String>) -> Option<Section<'a>> {
        self.section(name).ok()
    }

    /// Whether the value is an empty list or table.
    pub(crate) fn is_empty(&self) -> bool {
        match self.value.get_ref() {
            DeValue::Array(list) => list.is_empty(),
            DeValue::Table(table) => table.is_empty(),
            _ => false,
        }
    }

    /// The value as JSON; a date is a string there.
    pub(crate) fn to_json(&self) -> Result<serde_json::Value, AppError> {
        use serde_json::Value;
        Ok(match self.value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(_) => Value::from(self.integer()?),
            DeValue::Float(number) => number
                .as_str()
                .parse::<f64>()
                .map_or(Value::Null, Value::from),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(value) => Value::String(value.to_string()),
            DeValue::Array(_) => {
                let entries = self.list()?;
                Value::Array(
                    entries
                        .iter()
                        .map(Item::to_json)
                        .collect::<Result<_, _>>()?,
                )
            }
            DeValue::Table(_) => Value::Object(self.section(self.name.clone())?.to_json()?),
        })
    }

    /// The value in a few words, for an error.
    pub(crate) fn describe(&self) -> String {
        describe(self.value.get_ref())
    }
}

fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(value) => value.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
