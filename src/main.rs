//! front
fn main() {}
