//! Behaviour of the room: catalog.
