//! Declares what is sent as JSON together with how the OpenAPI document tells it, so that the two cannot differ.

use serde_json::{Value, json};

/// A type that the document can describe.
pub(super) trait Schema {
    /// The schema where the type is used: a reference for those that have a name.
    fn usage() -> Value;

    /// Whether a value must always be there.
    const REQUIRED: bool = true;
}

/// A type that has a name in the document.
pub(super) trait NamedSchema {
    /// The name.
    const NAME: &'static str;

    /// The schema itself.
    fn definition() -> Value;
}

impl Schema for String {
    fn usage() -> Value {
        json!({ "type": "string" })
    }
}

impl Schema for bool {
    fn usage() -> Value {
        json!({ "type": "boolean" })
    }

    // Absent is false.
    const REQUIRED: bool = false;
}

impl Schema for u32 {
    fn usage() -> Value {
        json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
    }
}

impl Schema for u64 {
    fn usage() -> Value {
        json!({ "type": "integer", "minimum": 0 })
    }
}

impl Schema for usize {
    fn usage() -> Value {
        json!({ "type": "integer", "minimum": 0 })
    }
}

/// Any object; its form is told by its own documentation.
impl Schema for Value {
    fn usage() -> Value {
        json!({ "type": "object" })
    }
}

impl Schema for jiff::Timestamp {
    fn usage() -> Value {
        json!({ "type": "string", "format": "date-time" })
    }
}

impl<T: Schema> Schema for Option<T> {
    fn usage() -> Value {
        json!({ "anyOf": [T::usage(), { "type": "null" }] })
    }

    const REQUIRED: bool = false;
}

impl<T: Schema> Schema for Vec<T> {
    fn usage() -> Value {
        json!({ "type": "array", "items": T::usage() })
    }
}

/// Where a named schema is used.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Declares a struct whose doc comments are also the document's descriptions.
macro_rules! described {
    ($(#[doc = $doc:literal])+ $(#[$meta:meta])* $visibility:vis struct $type:ident as $name:literal {
        $($(#[doc = $field_doc:literal])+ $(#[$field_meta:meta])* $field:ident: $kind:ty),+ $(,)?
    }) => {
        $(#[doc = $doc])+
        $(#[$meta])*
        $visibility struct $type {
            $($(#[doc = $field_doc])+ $(#[$field_meta])* pub(in crate::http) $field: $kind),+
        }

        impl $crate::http::schema::Schema for $type {
            fn usage() -> serde_json::Value {
                $crate::http::schema::reference($name)
            }
        }

        impl $crate::http::schema::NamedSchema for $type {
            const NAME: &'static str = $name;

            fn definition() -> serde_json::Value {
                use $crate::http::schema::Schema;
                let mut properties = serde_json::Map::new();
                let mut required: Vec<&str> = Vec::new();
                // What we send is always all there; what we are sent may lack what has a meaning when it is absent.
                let is_sent = !stringify!($($meta)*).contains("Deserialize");
                $(
                    let mut property = <$kind as Schema>::usage();
                    property["description"] = [$($field_doc),+].join("").trim().into();
                    // A field that is named like a word of Rust's.
                    let name = stringify!($field).trim_start_matches("r#");
                    properties.insert(name.into(), property);
                    let is_left_out = stringify!($($field_meta)*).contains("skip_serializing_if");
                    if !is_left_out && (is_sent || <$kind as Schema>::REQUIRED) {
                        required.push(name);
                    }
                )+
                let mut schema = serde_json::json!({
                    "type": "object",
                    "description": ([$($doc),+].join("").trim()),
                    "properties": properties,
                    "required": required,
                });
                if stringify!($($meta)*).contains("deny_unknown_fields") {
                    schema["additionalProperties"] = false.into();
                }
                schema
            }
        }
    };
}
pub(super) use described;
