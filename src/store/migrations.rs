//! The files of `migrations/`, built into the program.

refinery::embed_migrations!("migrations");
