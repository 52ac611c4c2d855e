//! Behaviour of the room: store.
