//! What is said by a process that does not start.

/// What a host said that did not start.
#[derive(Debug)]
pub struct Refusal {
    /// The exit code, if no signal ended it.
    pub code: Option<i32>,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

/// Checks that no error says a part of itself again, as one does that names its cause and is printed with that.
///
/// # Panics
///
/// If one does.
pub fn assert_said_once(stderr: &str) {
    for line in stderr.lines().filter(|line| line.starts_with("Error: ")) {
        let mut seen = Vec::new();
        for part in line.split(": ").flat_map(|part| part.split("; ")) {
            assert!(
                part.len() < 12 || !seen.contains(&part),
                "{part:?} twice in:\n{line}"
            );
            seen.push(part);
        }
    }
}
