//! Yes or no as the value of a flag, an environment variable or an option of the runtime configuration.

/// Reads `true`, `yes`, `on` or `1`, and `false`, `no`, `off` or `0`, in any case, and `t`, `y`, `f` and `n` as Spin does.
pub fn parse(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err(format!(
            "{text:?} is neither true nor false; write true, yes, on or 1, or false, no, off or 0"
        )),
    }
}

/// As [`parse`], for the environment variable of a flag that takes no value: an empty one is as good as none.
pub fn parse_variable(text: &str) -> Result<bool, String> {
    match text.trim() {
        "" => Ok(false),
        text => parse(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_word_is_taken() {
        for text in ["", "2", "maybe", "truth"] {
            assert!(parse(text).unwrap_err().contains(&format!("{text:?}")));
        }
        assert_eq!(parse(" OFF "), Ok(false));
        assert_eq!(parse_variable(""), Ok(false));
        assert!(parse_variable("maybe").is_err());
    }
}
