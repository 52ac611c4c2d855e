//! Behaviour of the room: images.
