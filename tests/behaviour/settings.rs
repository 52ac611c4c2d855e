//! Behaviour of the room: settings.
