//! Long lists a page at a time: at most `limit` items, and a `Link: <…>; rel="next"` (RFC 8288) to follow while there are more. The body of a
//! list stays a list, so that whoever has few things never needs to know of pages.
//!
//! A list that is newest first goes on with `before`, one in the order of a name goes on with `after`; both name the last item that was seen,
//! so that items which come or go meanwhile move no other item to another page.

use std::str::FromStr;

use axum::{
    Json,
    extract::FromRequestParts,
    http::{HeaderValue, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{
    extract::{query_field, query_fields},
    problem::Problem,
};

/// How many items a page has when nothing is said of it: what a person reads at once and a program fetches in no time.
pub(in crate::http) const PAGE: u32 = 100;
/// The most items of one page. More makes answers that take long to write; nothing is lost by less, for there is a next page.
pub(in crate::http) const LARGEST_PAGE: u32 = 1000;

/// What a request says about the page that it wants.
pub(in crate::http) struct Paging {
    uri: Uri,
    limit: u32,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::read(&parts.uri)
    }
}

impl Paging {
    /// Reads an address.
    pub(in crate::http) fn read(uri: &Uri) -> Result<Self, Problem> {
        let rule = format!("is a number from 1 to {LARGEST_PAGE}");
        let limit = parameter(uri, "limit", &rule)?.unwrap_or(PAGE);
        if (1..=LARGEST_PAGE).contains(&limit) {
            Ok(Self { uri: uri.clone(), limit })
        } else {
            Err(Problem::parameter("limit", rule))
        }
    }

    /// How many rows to read: one more than the page has, which tells whether there is a next one.
    pub(in crate::http) fn rows(&self) -> u32 {
        self.limit + 1
    }

    /// The item behind which the page begins, in a list that is newest first.
    pub(in crate::http) fn before<T: FromStr>(&self, rule: &str) -> Result<Option<T>, Problem> {
        parameter(&self.uri, "before", rule)
    }

    /// The item behind which the page begins, in a list that has another order.
    pub(in crate::http) fn after<T: FromStr>(&self, rule: &str) -> Result<Option<T>, Problem> {
        parameter(&self.uri, "after", rule)
    }

    /// The page of a list that is newest first, of which [`Self::rows`] were read.
    pub(in crate::http) fn older<T>(&self, items: Vec<T>, cursor: impl Fn(&T) -> String) -> Page<T> {
        self.page(items, "before", cursor)
    }

    /// The page of a list that has another order, of which [`Self::rows`] were read.
    pub(in crate::http) fn further<T>(&self, items: Vec<T>, cursor: impl Fn(&T) -> String) -> Page<T> {
        self.page(items, "after", cursor)
    }

    /// The same of a whole list that rises by a key, which is also the cursor.
    pub(in crate::http) fn cut<T, K: Ord + FromStr + ToString>(
        &self,
        items: Vec<T>,
        rule: &str,
        key: impl Fn(&T) -> K,
    ) -> Result<Page<T>, Problem> {
        let after: Option<K> = self.after(rule)?;
        let is_behind = |item: &T| after.as_ref().is_none_or(|after| key(item) > *after);
        let wanted = usize::try_from(self.rows()).unwrap_or(usize::MAX);
        let items = items.into_iter().filter(is_behind).take(wanted).collect();
        Ok(self.further(items, |item| key(item).to_string()))
    }

    /// The query of the next page of a list that is newest first, of which this is the last item.
    pub(in crate::http) fn older_query(&self, cursor: &str) -> String {
        self.query("before", cursor)
    }

    /// The items of the page, of [`Self::rows`] that were read, and whether there are more.
    pub(in crate::http) fn only<T>(&self, mut items: Vec<T>) -> (Vec<T>, bool) {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let is_more = items.len() > limit;
        items.truncate(limit);
        (items, is_more)
    }

    fn page<T>(&self, items: Vec<T>, name: &str, cursor: impl Fn(&T) -> String) -> Page<T> {
        let (items, is_more) = self.only(items);
        let next = items.last().filter(|_| is_more).and_then(|last| self.link(name, &cursor(last)));
        Page { items, next }
    }

    /// The same question for what comes behind an item.
    fn link(&self, name: &str, cursor: &str) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("<{}?{}>; rel=\"next\"", self.uri.path(), self.query(name, cursor))).ok()
    }

    fn query(&self, name: &str, cursor: &str) -> String {
        let mut fields = query_fields(self.uri.query());
        fields.retain(|(field, _)| field != "after" && field != "before");
        fields.push((name.to_owned(), cursor.to_owned()));
        let fields: Vec<_> = fields.iter().map(|(name, text)| format!("{}={}", encoded(name), encoded(text))).collect();
        fields.join("&")
    }
}

/// One page of a list.
pub(in crate::http) struct Page<T> {
    items: Vec<T>,
    next: Option<HeaderValue>,
}

impl<T> Page<T> {
    /// Its items, and the link to the next one.
    pub(in crate::http) fn into_parts(self) -> (Vec<T>, Option<HeaderValue>) {
        (self.items, self.next)
    }

    /// The same page, its items in the form in which they are sent.
    pub(in crate::http) fn map<U>(self, form: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(form).collect(), next: self.next }
    }
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.items).into_response();
        if let Some(next) = self.next {
            response.headers_mut().insert(header::LINK, next);
        }
        response
    }
}

/// A field of a query in its own type; an empty one was not filled in.
pub(in crate::http) fn parameter<T: FromStr>(uri: &Uri, name: &'static str, rule: &str) -> Result<Option<T>, Problem> {
    let text = query_field(uri.query(), name).filter(|text| !text.is_empty());
    text.map(|text| text.trim().parse().map_err(|_| Problem::parameter(name, rule))).transpose()
}

/// Text as it may stand in a query and between the brackets of a `Link`.
fn encoded(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_the_same_question_behind_the_last_item() {
        let uri: Uri = "/api/things?limit=2&of=a%20%26b&before=9".parse().unwrap();
        let page = Paging::read(&uri).unwrap().older(vec![8, 7, 6], ToString::to_string);
        assert_eq!(page.items, [8, 7]);
        assert_eq!(page.next.unwrap(), "</api/things?limit=2&of=a%20%26b&before=7>; rel=\"next\"");
        let page = Paging::read(&uri).unwrap().older(vec![8, 7], ToString::to_string);
        assert_eq!(page.next, None, "the list ends with this page");
    }

    #[test]
    fn a_whole_list_is_cut_behind_an_item_that_may_have_gone() {
        let uri: Uri = "/api/things?limit=2&after=3".parse().unwrap();
        let page = Paging::read(&uri).unwrap().cut(vec![1, 2, 4, 5, 6], "is a number", |item: &i32| *item).unwrap();
        assert_eq!(page.items, [4, 5]);
        assert_eq!(page.next.unwrap(), "</api/things?limit=2&after=5>; rel=\"next\"");
    }
}
