//! Requests that may be sent twice and must be done once.

/// SHA-256 of something.
pub type Fingerprint = [u8; 32];

/// The randomness of the id of what a request makes, chosen before it is made: whoever does not know whether the request was done looks
/// whether there is such a thing.
pub type Intended = [u8; 8];

/// One request that names its repeats by a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRequest {
    /// Of who asks, the route and the key.
    pub key: Fingerprint,
    /// Of everything that is asked.
    pub request: Fingerprint,
    /// For the first time that the key is seen.
    pub intended: Intended,
}

/// What a request was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Where what was made is found.
    pub place: Option<String>,
    /// The media type.
    pub kind: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What is known of a request when it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing: its key is new.
    First,
    /// It was answered before.
    Answered(KeptAnswer),
    /// It came before, and its end was not written down; this is what it was to make.
    Unfinished(Intended),
    /// The key came with another request.
    Different,
}
