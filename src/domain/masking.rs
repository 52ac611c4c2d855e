//! Takes secrets out of what commands and machines say, before it is written anywhere.

/// What stands where a secret stood.
const MASK: &str = "[secret]";
/// Shorter texts are not looked for: every other word would be masked.
const SHORTEST_SECRET: usize = 6;
/// So much of a secret's beginning is masked where a text was cut off in it.
const SHORTEST_BEGINNING: usize = 8;
/// How the hash of a password begins, in the forms that `crypt` knows.
const HASH_PREFIXES: [&str; 5] = ["$6$", "$5$", "$y$", "$2b$", "$argon2id$"];
/// Names in queries whose value is a one-time token of ours, of whichever rebuild, and the fewest characters of one.
const TOKEN_NAMES: [&str; 2] = ["t", "b"];
const SHORTEST_TOKEN: usize = 20;
/// How our own tokens for programs begin, and how many characters come at least after that.
const TOKEN_PREFIX: &str = "rackseed_";
const TOKEN_LENGTH: usize = 40;
/// Words before `=` or `:` whose value is a secret.
const SECRET_NAMES: [&str; 6] = ["password", "passwd", "token", "secret", "ticket", "private_key"];

/// Knows the secrets of one rebuild.
#[derive(Clone, Default)]
pub struct Masker {
    /// Longest first, so that no secret is cut by a shorter one inside it.
    secrets: Vec<String>,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Masker({} secrets)", self.secrets.len())
    }
}

impl Masker {
    /// Looks for these texts; a text of several lines is also looked for line by line.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut all: Vec<String> = Vec::new();
        for secret in secrets {
            let secret = secret.trim();
            all.push(secret.to_owned());
            if secret.contains('\n') {
                all.extend(secret.lines().map(str::trim).filter(|line| !line.starts_with("-----")).map(str::to_owned));
            }
        }
        all.retain(|secret| secret.len() >= SHORTEST_SECRET);
        all.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        all.dedup();
        Self { secrets: all }
    }

    /// The text without secrets: those that are known, PEM blocks of private keys, hashes of passwords, and the values of fields that say
    /// of themselves that they are secret.
    pub fn mask(&self, text: &str) -> String {
        self.mask_known(text).split_inclusive('\n').map(mask_words).collect()
    }

    /// The text without the secrets that are known and without private keys: safe to be read for what it means, and to be quoted.
    pub fn mask_known(&self, text: &str) -> String {
        let mut text = mask_private_keys(text);
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), MASK);
            }
        }
        self.mask_cut_secret(&mut text);
        text
    }

    /// The same for every text in a JSON value.
    pub fn mask_json(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => *text = self.mask(text),
            serde_json::Value::Array(values) => values.iter_mut().for_each(|value| self.mask_json(value)),
            serde_json::Value::Object(fields) => fields.values_mut().for_each(|value| self.mask_json(value)),
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
        }
    }

    /// A text that was cut may end in the beginning of a secret.
    fn mask_cut_secret(&self, text: &mut String) {
        let cut = self.secrets.iter().filter_map(|secret| {
            let longest = secret.len().min(text.len());
            (SHORTEST_BEGINNING..=longest)
                .rev()
                .find(|length| secret.get(..*length).is_some_and(|beginning| text.ends_with(beginning)))
        });
        if let Some(length) = cut.max() {
            text.truncate(text.len() - length);
            text.push_str(MASK);
        }
    }
}

/// Masks from `-----BEGIN … PRIVATE KEY-----` to its end, or to the end of the text where that was cut off.
fn mask_private_keys(text: &str) -> String {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(BEGIN) {
        let block = &rest[place..];
        let first_line = block.lines().next().unwrap_or_default();
        if !first_line.contains("PRIVATE KEY") {
            let behind = place + BEGIN.len();
            masked.push_str(&rest[..behind]);
            rest = &rest[behind..];
            continue;
        }
        masked.push_str(&rest[..place]);
        masked.push_str(MASK);
        rest = block.find(END).map_or("", |end| {
            let tail = &block[end + END.len()..];
            tail.find("-----").map_or("", |close| &tail[close + "-----".len()..])
        });
    }
    masked.push_str(rest);
    masked
}

/// Masks the words of one line that are secret by their form.
fn mask_words(line: &str) -> String {
    line.split_inclusive([' ', '\t', '\n', '"', '\'', '&', '?', ',']).map(mask_word).collect()
}

fn mask_word(word: &str) -> String {
    let end = word.trim_end_matches([' ', '\t', '\n', '"', '\'', '&', '?', ',']).len();
    let (word, separator) = word.split_at(end);
    if let Some(place) = HASH_PREFIXES.iter().filter_map(|prefix| word.find(prefix)).min() {
        return format!("{}{MASK}{separator}", &word[..place]);
    }
    if let Some(place) = word.find(TOKEN_PREFIX)
        && word[place..].len() >= TOKEN_PREFIX.len() + TOKEN_LENGTH
    {
        return format!("{}{MASK}{separator}", &word[..place]);
    }
    if let Some((name, value)) = word.split_once('=')
        && !value.is_empty()
        && (SECRET_NAMES.iter().any(|secret| name.to_ascii_lowercase().ends_with(secret)) || is_token(name, value))
    {
        return format!("{name}={MASK}{separator}");
    }
    format!("{word}{separator}")
}

fn is_token(name: &str, value: &str) -> bool {
    let length = value.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').unwrap_or(value.len());
    TOKEN_NAMES.contains(&name) && length >= SHORTEST_TOKEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_secrets_and_those_of_a_known_form_are_masked_and_nothing_else() {
        let masker = Masker::new(["correct horse".to_owned(), "abcdef0123456789".to_owned(), "no".to_owned()]);
        for (said, masked) in [
            ("ok: correct horse, battery", "ok: [secret], battery"),
            ("https://10.0.0.1/?t=abcdef0123456789&x=1", "https://10.0.0.1/?t=[secret]&x=1"),
            ("'https://x/?t=ZZZZZZZZZZZZZZZZZZZZ-_0' of another rebuild", "'https://x/?t=[secret]' of another rebuild"),
            ("start?t=5&b=short", "start?t=5&b=short"),
            ("cut off in abcdef0123", "cut off in [secret]"),
            ("root:$6$salt$hash:1:2", "root:[secret]"),
            ("PASSWORD=hunter2 user=root", "PASSWORD=[secret] user=root"),
            ("Bearer rackseed_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE, ok", "Bearer [secret], ok"),
            ("rackseed_http_requests_total 5", "rackseed_http_requests_total 5"),
            ("no secret here, no harm done\n", "no secret here, no harm done\n"),
            ("a\n-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\nb", "a\n[secret]\nb"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA and cut", "[secret]"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            ),
        ] {
            assert_eq!(masker.mask(said), masked, "{said}");
        }
    }

    #[test]
    fn every_line_of_a_key_is_masked_alone() {
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\nAAAAsecondlineAAAA\n-----END OPENSSH PRIVATE KEY-----";
        let masker = Masker::new([key.to_owned()]);
        assert_eq!(masker.mask("seen: AAAAsecondlineAAAA"), "seen: [secret]");
        let mut value = serde_json::json!({ "a": ["b3BlbnNzaC1rZXktdjE"] });
        masker.mask_json(&mut value);
        assert_eq!(value, serde_json::json!({ "a": ["[secret]"] }));
    }
}
