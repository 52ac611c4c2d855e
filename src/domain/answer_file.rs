//! The answer file as the installer reads it: schema, rules, dialects.
