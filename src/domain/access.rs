//! Who may ask what: people who have signed in, and programs with a token.

super::words::words!(
    /// What a credential allows.
    Scope, "scope" {
        /// To look at everything, and to change nothing.
        ReadOnly = "read_only",
        /// To do everything that the pages can do.
        Operator = "operator",
    }
);
