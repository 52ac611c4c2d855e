//! Answers over the API.
