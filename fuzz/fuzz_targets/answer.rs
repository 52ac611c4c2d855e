//! Answer templates and answers.
#![no_main]
#![allow(dead_code, reason = "every target calls one of the parsers")]

#[path = "../../tests/support/parsers.rs"]
mod parsers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parsers::answer(bytes));
