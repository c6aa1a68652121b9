//! Yes or no as the value of a flag, an environment variable or an option of the runtime configuration.

/// Reads `true`, `on`, `false` or `off`.
pub(crate) fn parse(text: &str) -> Result<bool, String> {
    match text.trim() {
        "true" | "on" => Ok(true),
        "false" | "off" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings() {
        assert_eq!((parse("true"), parse("on")), (Ok(true), Ok(true)));
        assert_eq!((parse("false"), parse(" off ")), (Ok(false), Ok(false)));
        for text in ["", "1", "yes", "True"] {
            assert!(parse(text).unwrap_err().contains(&format!("{text:?}")));
        }
    }
}
