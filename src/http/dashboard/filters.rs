//! What the pages of the past are limited by: forms that only ask, so that their answer has an address that can be kept and shared.

use axum::http::Uri;

use crate::http::extract::query_field;

/// One entry of a list to choose from.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) is_chosen: bool,
}

/// The entries of such a list, by value and label; the first stands for everything.
pub(super) fn choices<'a>(
    everything: &'a str,
    rows: impl IntoIterator<Item = (&'a str, &'a str)>,
    chosen: &str,
) -> Vec<Choice> {
    let rows = [("", everything)].into_iter().chain(rows);
    let row = |(value, label): (&str, &str)| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        is_chosen: value == chosen,
    };
    rows.map(row).collect()
}

/// What was chosen; empty when nothing was.
pub(super) fn given(uri: &Uri, name: &str) -> String {
    query_field(uri.query(), name).unwrap_or_default().trim().to_owned()
}

/// The address of the page, for the script that asks for it again.
pub(super) fn address(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string)
}

/// Whether anything at all was chosen.
pub(super) fn is_limited(uri: &Uri, names: &[&str]) -> bool {
    names.iter().any(|name| !given(uri, name).is_empty())
}
