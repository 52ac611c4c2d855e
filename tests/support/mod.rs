//! Doubles and helpers that several tests share.

pub(crate) mod clock;
