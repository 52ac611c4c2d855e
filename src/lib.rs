//! Rackseed.
