//! Behaviour of the room: api.
