//! Behaviour of the room: answers.
