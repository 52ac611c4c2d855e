//! Behaviour of the room: provisioning.
