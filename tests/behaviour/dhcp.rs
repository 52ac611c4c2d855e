//! Behaviour of the room: dhcp.
