//! Behaviour of the room: tftp.
