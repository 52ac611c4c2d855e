//! What machines are told.
