//! Behaviour of the room: simulator.
