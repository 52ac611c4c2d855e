//! Behaviour of the room: dashboard.
