//! [`printable`]: text that came from another machine, made harmless for a terminal.

/// The text with every control character replaced, so that a terminal takes none of it for an instruction and it stays on
/// its line.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced_and_no_others() {
        assert_eq!(
            printable("a\u{1b}[2J\nb\u{9b}31m\u{7f}"),
            "a\u{fffd}[2J\u{fffd}b\u{fffd}31m\u{fffd}"
        );
        assert_eq!(printable("node-1 · ключ ✓"), "node-1 · ключ ✓");
    }
}
