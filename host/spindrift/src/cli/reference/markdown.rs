//! The few forms of Markdown that the page needs.

/// A table.
pub(super) fn table<const N: usize>(
    header: &[&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = line(header.map(str::to_owned));
    table.push_str(&line([(); N].map(|()| "---".to_owned())));
    for row in rows {
        table.push_str(&line(
            row.map(|cell| cell.replace('|', "\\|").replace('\n', " ")),
        ));
    }
    table
}

fn line<const N: usize>(cells: [String; N]) -> String {
    // A cell may be empty.
    format!("| {} |\n", cells.join(" | "))
        .replace("|  |", "| |")
        .replace("|  |", "| |")
}

/// A help text, which begins and ends like a sentence, and in which flags are code.
pub(super) fn sentence(help: &str) -> String {
    let mut sentence = flags_as_code(help);
    if !sentence.is_empty() && !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}

/// Puts each flag, as `--listen`, between backticks, unless it stands there already.
pub(super) fn flags_as_code(text: &str) -> String {
    let mut code = false;
    let mut parts = Vec::new();
    for part in text.split('`') {
        parts.push(if code {
            part.to_owned()
        } else {
            mark_flags(part)
        });
        code = !code;
    }
    parts.join("`")
}

fn mark_flags(text: &str) -> String {
    let mut marked = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("--") {
        let (before, flag) = rest.split_at(start);
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let end = flag.find(|c| !is_part(c)).unwrap_or(flag.len());
        marked.push_str(before);
        if end > 2 {
            marked.push_str(&format!("`{}`", &flag[..end]));
        } else {
            marked.push_str(&flag[..end]);
        }
        rest = &flag[end..];
    }
    marked + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_code_once() {
        for (text, expected) in [
            ("see --listen, or `--join`", "see `--listen`, or `--join`."),
            ("`a --b c` and --b.", "`a --b c` and `--b`."),
            ("a -- b", "a -- b."),
            ("", ""),
        ] {
            assert_eq!(sentence(text), expected);
        }
    }

    #[test]
    fn a_bar_in_a_cell_ends_no_cell() {
        let rows = [["x | y".to_owned(), String::new()]];
        assert_eq!(
            table(&["a", "b"], rows),
            "| a | b |\n| --- | --- |\n| x \\| y | |\n"
        );
    }
}
