//! The interface for programs: what is given, what is refused, and with which sentence.

mod bad_input;
mod document;
mod guard;
mod images;
mod live_feed;
mod machines;
mod options;
mod paging;
mod problems;
mod repeats;
mod routes;
