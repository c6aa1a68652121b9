//! [`LockedApplication`]: Spin's JSON form of an application, in which nothing is left to be looked up.
//!
//! The fields are those of `spin-locked-app` in Spin 4. As there, what is not known is ignored, unless `must_understand`
//! names it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use spindrift_app::Digest;

/// The newest version of the format that is understood. Spin writes 0 unless the application needs what came with 1.
const VERSION: u64 = 1;

/// A locked application.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct LockedApplication {
    /// The version of the format.
    pub(crate) spin_lock_version: u64,
    /// Fields that a host must not ignore.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) must_understand: Vec<String>,
    /// `name`, `version`, `description`, `authors`, and the triggers' common settings.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) metadata: Map<String, Value>,
    /// Features that the host must have.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) host_requirements: Map<String, Value>,
    /// The application's variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) variables: BTreeMap<String, LockedVariable>,
    /// The triggers, of all types.
    pub(crate) triggers: Vec<LockedTrigger>,
    /// The components.
    pub(crate) components: Vec<LockedComponent>,
}

/// A variable; it is required if it has no default.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LockedVariable {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) secret: bool,
}

/// A trigger.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LockedTrigger {
    pub(crate) id: String,
    /// `http`, or another.
    pub(crate) trigger_type: String,
    /// What the manifest's table has beside the id, with `component` an id.
    pub(crate) trigger_config: Value,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) trigger_dependencies: Map<String, Value>,
}

/// A component.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LockedComponent {
    pub(crate) id: String,
    /// `description`, `allowed_outbound_hosts`, `key_value_stores`, `databases`, `ai_models`, and others.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) metadata: Map<String, Value>,
    /// Its WebAssembly.
    pub(crate) source: LockedSource,
    /// Its environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) env: BTreeMap<String, String>,
    /// Its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<LockedFile>,
    /// Its variables, as templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) config: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) dependencies: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) trigger_dependencies: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) host_requirements: Map<String, Value>,
}

/// A component's WebAssembly.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LockedSource {
    /// `application/wasm`.
    pub(crate) content_type: String,
    #[serde(flatten)]
    pub(crate) content: LockedContent,
}

/// A file of a component.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LockedFile {
    #[serde(flatten)]
    pub(crate) content: LockedContent,
    /// Where the component sees it, relative to its root folder.
    pub(crate) path: String,
}

/// What is in a file: in a registry by its digest, or itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct LockedContent {
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "to_base64",
        deserialize_with = "from_base64"
    )]
    pub(crate) inline: Option<Vec<u8>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
}

impl LockedApplication {
    /// Reads a locked application.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as the end of a sentence whose subject it is.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| format!("is not JSON: {error}"))?;
        // First, since another version may have other fields.
        match value.get("spin_lock_version") {
            None => {
                return Err("has no `spin_lock_version`, so that it is none".to_owned());
            }
            Some(version) if version.as_u64().is_some_and(|version| version <= VERSION) => {}
            Some(version) => {
                return Err(format!(
                    "has version {version}, and only versions up to {VERSION} are understood here. Push the application \
                     with `spindrift push`, or use a newer spindrift"
                ));
            }
        }
        serde_json::from_value(value).map_err(|error| format!("is malformed: {error}"))
    }
}

impl LockedContent {
    /// A reference to this content, which is in the reference itself if it is small.
    pub(crate) fn of(digest: &Digest, bytes: &[u8], inline_up_to: usize) -> Self {
        Self {
            inline: (bytes.len() <= inline_up_to).then(|| bytes.to_vec()),
            digest: Some(digest.to_string()),
        }
    }
}

/// As Spin: without padding. Any is read.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn to_base64<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = bytes.as_ref().map(|bytes| BASE64.encode(bytes));
    text.serialize(serializer)
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
    Option::<String>::deserialize(deserializer)?
        .map(|text| BASE64.decode(text).map_err(serde::de::Error::custom))
        .transpose()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<LockedApplication, String> {
        LockedApplication::read(value.to_string().as_bytes())
    }

    #[test]
    fn versions_up_to_the_known_one_are_read() {
        for version in [0, 1] {
            let value =
                json!({"spin_lock_version": version, "triggers": [], "components": [], "new": 1});
            assert!(read(&value).is_ok(), "{version}");
        }
        for (version, part) in [
            (json!(2), "has version 2, and only versions up to 1"),
            (json!("1"), "has version \"1\""),
            (json!(-1), "has version -1"),
        ] {
            let value = json!({"spin_lock_version": version, "anything": {}});
            let error = read(&value).map(drop).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for (text, part) in [
            ("", "is not JSON"),
            ("{\"a\": [", "is not JSON"),
            ("[]", "has no `spin_lock_version`"),
            ("{}", "has no `spin_lock_version`"),
            ("{\"spin_lock_version\": 1}", "missing field `triggers`"),
            (&"[".repeat(100_000), "is not JSON"),
        ] {
            let error = LockedApplication::read(text.as_bytes())
                .map(drop)
                .unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn small_content_is_in_the_reference_in_base64_without_padding() {
        let digest = Digest::of(b"hello");
        let content = LockedContent::of(&digest, b"hello", 5);
        let json = serde_json::to_value(&content).expect("JSON");
        assert_eq!(
            json,
            json!({"inline": "aGVsbG8", "digest": digest.to_string()})
        );
        for text in ["aGVsbG8", "aGVsbG8="] {
            let read: LockedContent = serde_json::from_value(json!({"inline": text})).expect(text);
            assert_eq!(read.inline.as_deref(), Some(&b"hello"[..]));
        }
        assert_eq!(LockedContent::of(&digest, b"hello", 4).inline, None);
        assert!(serde_json::from_value::<LockedContent>(json!({"inline": "*"})).is_err());
    }
}
