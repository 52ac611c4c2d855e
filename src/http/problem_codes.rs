//! What can be refused, as words that programs may rely on: one table for the answers, the OpenAPI document and the page of the interface.

use axum::http::StatusCode;

/// Declares the table: word, HTTP status, what it means and what to do.
macro_rules! codes {
    ($($variant:ident = $word:literal, $status:ident, $meaning:literal;)+) => {
        /// Why something was refused, as the member `code` of a problem document.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(in crate::http) enum Code {
            $(#[doc = $meaning] $variant),+
        }

        impl Code {
            /// Every code, in the order of the table.
            pub(in crate::http) const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its word, which stays as it is.
            pub(in crate::http) const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The status that it comes with.
            pub(in crate::http) const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// What it means and what to do.
            pub(in crate::http) const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),+ }
            }
        }
    };
}

#[rustfmt::skip]
codes! {
    BadRequest = "bad_request", BAD_REQUEST, "The request cannot be read. Its sentence says what is wrong with it.";
    QueryInvalid = "query_invalid", BAD_REQUEST, "A field of the query is wrong; `errors` names it.";
    HeaderInvalid = "header_invalid", BAD_REQUEST, "A header is missing or wrong; `errors` names it.";
    JsonInvalid = "json_invalid", BAD_REQUEST, "The body is not JSON; `line` and `column` say where it ends to be.";
    UploadBrokenOff = "upload_broken_off", BAD_REQUEST, "An upload broke off; go on with it at `offset`.";
    NotSignedIn = "not_signed_in", UNAUTHORIZED, "Sign in, or send the header `Authorization: Bearer TOKEN`.";
    Forbidden = "forbidden", FORBIDDEN, "Who asks may not do this, or a page of another site asked.";
    NotFound = "not_found", NOT_FOUND, "There is no such thing.";
    RouteNotFound = "route_not_found", NOT_FOUND, "This listener has no such path.";
    HostNotFound = "host_not_found", NOT_FOUND, "No host has this id.";
    OperationNotFound = "operation_not_found", NOT_FOUND, "No operation has this id.";
    BatchNotFound = "batch_not_found", NOT_FOUND, "No batch has this id.";
    ImageNotFound = "image_not_found", NOT_FOUND, "No image has this id.";
    AdditionNotFound = "addition_not_found", NOT_FOUND, "No image on its way has this id; it may have been forgotten after its end.";
    PassNotFound = "pass_not_found", NOT_FOUND, "No session or token has this id; it may have ended already.";
    MachineNotFound = "machine_not_found", NOT_FOUND, "No machine with this MAC address was seen.";
    GateNotFound = "gate_not_found", NOT_FOUND, "No member with this address has the join gate.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "This path has other methods; the header `Allow` lists them.";
    TookTooLong = "took_too_long", SERVICE_UNAVAILABLE, "The answer took too long. What was asked may be done all the same: look before you ask again.";
    Conflict = "conflict", CONFLICT, "This is not possible as things are now; the sentence says why.";
    ChangedMeanwhile = "changed_meanwhile", CONFLICT, "It has changed meanwhile. Look at it again, then ask again.";
    MacTaken = "mac_taken", CONFLICT, "Another host has this MAC address.";
    HostnameTaken = "hostname_taken", CONFLICT, "Another host has this name.";
    AlreadyClaimed = "already_claimed", CONFLICT, "Somebody has made the administrator already; sign in.";
    HostBusy = "host_busy", CONFLICT, "The host is being rebuilt; wait, or cancel its operation.";
    OperationUnderWay = "operation_under_way", CONFLICT, "The host has an operation under way, which `operation` names.";
    PreflightStopped = "preflight_stopped", CONFLICT, "The pre-flight speaks against the rebuild: `stopped_by` and `findings` say what. Nothing was armed.";
    NotPossibleNow = "not_possible_now", CONFLICT, "The operation or batch is not where this is possible.";
    ImageInUse = "image_in_use", CONFLICT, "The image is in use by those whom `users` names.";
    ImageBusy = "image_busy", CONFLICT, "The image is being read or another one is being added; ask again later.";
    UploadOffsetWrong = "upload_offset_wrong", CONFLICT, "The upload goes on at the byte `offset`, not where this part begins.";
    NoPowerDriver = "no_power_driver", CONFLICT, "The host's power driver is missing or cannot do this.";
    RequestUnderWay = "request_under_way", CONFLICT, "The first request with this Idempotency-Key is not over; ask again after `Retry-After` seconds.";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is larger than this route takes.";
    WrongMediaType = "wrong_media_type", UNSUPPORTED_MEDIA_TYPE, "Send JSON, with the header `Content-Type: application/json`.";
    RangeNotSatisfiable = "range_not_satisfiable", RANGE_NOT_SATISFIABLE, "The file has no such bytes.";
    Unprocessable = "unprocessable", UNPROCESSABLE_ENTITY, "What was asked cannot be done as it was said; the sentence says why.";
    FieldsInvalid = "fields_invalid", UNPROCESSABLE_ENTITY, "Fields of the body are wrong; `errors` names each with its JSON pointer.";
    NotConfirmed = "not_confirmed", UNPROCESSABLE_ENTITY, "Say the name that the sentence names in `confirm`: this wipes or switches off a machine.";
    HostNotReady = "host_not_ready", UNPROCESSABLE_ENTITY, "The host cannot be rebuilt as it is set up; the sentence says what to change.";
    ImageUnfit = "image_unfit", UNPROCESSABLE_ENTITY, "The image cannot be used for this; the sentence says why.";
    KeyUsedDifferently = "key_used_differently", UNPROCESSABLE_ENTITY, "This Idempotency-Key was sent with another request before; take a new key for a new request.";
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS, "Too many attempts; wait for `Retry-After` seconds.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "A fault of Rackseed; its log says more. Ask again; report it if it stays.";
    OtherEnd = "other_end", BAD_GATEWAY, "The machine that was asked for it did not do it; the sentence says what it answered.";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Not now: Rackseed starts, stops or waits for something.";
    DiskFull = "disk_full", INSUFFICIENT_STORAGE, "The disk of Rackseed is full. Nothing was changed; make room, then ask again.";
}

impl Code {
    /// The plain code of a status, for whatever has no word of its own.
    pub(in crate::http) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::NotSignedIn,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            409 => Self::Conflict,
            413 => Self::BodyTooLarge,
            415 => Self::WrongMediaType,
            416 => Self::RangeNotSatisfiable,
            422 => Self::Unprocessable,
            429 => Self::TooManyRequests,
            502 | 504 => Self::OtherEnd,
            503 => Self::Unavailable,
            507 => Self::DiskFull,
            ..500 => Self::BadRequest,
            500.. => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_its_own_word_and_the_plain_code_of_a_status_has_that_status() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(Code::of(code.status()).status(), code.status(), "{code:?}");
            assert!(code.meaning().ends_with('.'), "{code:?}");
        }
    }
}
