//! Who comes in, and how: the first visit, signing in, sessions, tokens, and what everybody else is told.

mod doors;
mod first_visit;
mod hostile_words;
mod kept_secrets;
mod look;
mod sessions;
mod table;
mod tokens;
