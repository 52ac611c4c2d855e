//! The live feed over the wire.
