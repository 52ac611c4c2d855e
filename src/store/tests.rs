//! Behaviour that only the inside can show.
