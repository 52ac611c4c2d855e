//! Behaviour of the room: operations.
