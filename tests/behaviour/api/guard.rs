//! Other web sites cannot reach the operator listener.
