//! Behaviour of the room: remote_shell.
