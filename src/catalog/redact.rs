//! Hides what must not be shown of an answer.

/// What stands in place of a secret.
const HIDDEN: &str = "(hidden)";

/// Returns the text of an answer without passwords, tokens in URLs, and subscription key.
pub fn redact(toml_text: &str) -> String {
    let lines = toml_text.lines().map(|line| {
        let key = line.split('=').next().unwrap_or_default().trim().replace('_', "-");
        match key.as_str() {
            "root-password" | "root-password-hashed" | "subscription-key" | "auth-token" => {
                format!("{key} = \"{HIDDEN}\"")
            }
            _ => match line.split_once("?t=") {
                Some((before, after)) => format!(
                    "{before}?t={HIDDEN}{}",
                    after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_')
                ),
                None => line.to_owned(),
            },
        }
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}
